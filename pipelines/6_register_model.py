"""Stage 6 of an experiment: python pipelines/6_register_model.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("register_model")
