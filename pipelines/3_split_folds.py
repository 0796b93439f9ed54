"""Stage 3 of an experiment: python pipelines/3_split_folds.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("split_folds")
