"""Stage 8 of an experiment: python pipelines/8_report.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("report")
