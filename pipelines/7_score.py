"""Stage 7 of an experiment: python pipelines/7_score.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("score")
