"""Names of what stage 5 leaves, for those who only read it: no heavy import."""

FOLDER = "evaluate"
TABLES = "tables"
"""Folder of an MLflow run that holds the same files."""

PREDICTIONS_FILE = "oof_predictions.parquet"
CALIBRATION_FILE = "calibration_predictions.parquet"
SUSPECTS_FILE = "possibly_mislabelled.csv"
EVALUATION_FILE = "evaluation.json"
DECISION_FILE = "decision.json"
FIGURES = "figures"
