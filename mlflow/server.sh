#!/usr/bin/env bash
# Start an MLflow server for this machine, on the workspace's own store or on a database.
#
#   mlflow/server.sh [WORKSPACE]                   SQLite in WORKSPACE/tracking
#   STORE=postgresql://USER@HOST/NAME mlflow/server.sh [WORKSPACE]
#   PORT=5001 mlflow/server.sh
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="$root/.venv/bin/python"
if [[ ! -x "$python" ]]; then
  echo "there is no $python; run 'make install' first" >&2
  exit 2
fi

workspace="${1:-workspace}"
mkdir -p "$workspace/tracking/artifacts"
workspace="$(cd "$workspace" && pwd)"
store="${STORE:-sqlite:///$workspace/tracking/mlflow.db}"

export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
exec "$python" -m mlflow server \
  --host 127.0.0.1 --port "${PORT:-5000}" --workers 1 \
  --backend-store-uri "$store" \
  --artifacts-destination "$workspace/tracking/artifacts"
