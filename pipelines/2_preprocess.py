"""Stage 2 of an experiment: python pipelines/2_preprocess.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("preprocess")
