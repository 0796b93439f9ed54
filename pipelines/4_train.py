"""Stage 4 of an experiment: python pipelines/4_train.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("train")
