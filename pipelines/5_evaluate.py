"""Stage 5 of an experiment: python pipelines/5_evaluate.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("evaluate")
