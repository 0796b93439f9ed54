"""Stage 1 of an experiment: python pipelines/1_ingest.py EXPERIMENT.yaml."""

from voxray.cli import run_one_stage

if __name__ == "__main__":
    run_one_stage("ingest")
