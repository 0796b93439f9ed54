"""The registered model as MLflow sees it: sources in, rows of `scores.csv` out.

MLflow copies this file into the artifact and runs it to load the model ("models from
code"), with the voxray of that artifact beside it. It needs nothing of training.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import mlflow.models
import pandas as pd
import platformdirs
from mlflow.pyfunc.model import PythonModel

from voxray.core.ids import Pseudonymizer, load_or_make_key

_TEXT = ("exam_id", "scan_id", "patient_id", "status", "reason_code", "reason")
_TEXT_AFTER = ("decision", "mask", "model", "model_sha256")


class VoxrayModel(PythonModel):
    """Scores scan folders with the model folder in its artifact."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own type
        """Remember where the model folder is; `predict` checks its hashes."""
        self._model = Path(context.artifacts["model"])

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002 - MLflow's own type
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Score each source.

        Args:
            context: As in `load_context`.
            model_input: Column `source`: a scan file, or a folder of scans.
            params: `out`: folder that keeps masks and tables, one subfolder per source
                if there are several; `workers`; `readable_ids`.

        Returns:
            Rows of `scores.csv`; the index is that of the source they come from.

        Raises:
            VoxrayError: As `voxray score` does.
        """
        asked = params or {}
        sources = [(key, Path(value)) for key, value in model_input["source"].items()]
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(asked.get("out") or temporary)
            tables = []
            for number, (key, source) in enumerate(sources):
                out = root if len(sources) == 1 else root / f"{number:04d}"
                table = self._score(source, out, asked)
                tables.append(table.set_axis([key] * len(table), axis="index"))
        return pd.concat(tables) if tables else pd.DataFrame()

    def _score(self, source: Path, out: Path, asked: dict[str, Any]) -> pd.DataFrame:
        # Imported late: registering a model runs this file, and needs no torch.
        from voxray.score import ScoreRequest, score_folder

        request = ScoreRequest(
            scans=source,
            model=self._model,
            out=out,
            workers=int(asked.get("workers") or 1),
        )
        who = Pseudonymizer(_user_key(), bool(asked.get("readable_ids")))
        score_folder(request, who)
        return _read_scores(out / "scores.csv")


def _user_key() -> bytes:
    """The key `voxray score` uses, so that both give one scan one id."""
    named = os.environ.get("VOXRAY_KEY_FILE")  # noqa: TID251 - an entry point
    own = platformdirs.user_config_path("voxray") / "key"
    return load_or_make_key(Path(named).expanduser() if named else own)


def _read_scores(path: Path) -> pd.DataFrame:
    text: dict[str, str] = dict.fromkeys((*_TEXT, *_TEXT_AFTER), "str")
    # MyPy cannot match names of types, which pandas takes, to the types.
    kinds: Any = {**text, "refer": "boolean"}
    table = pd.read_csv(path, dtype=kinds)
    present = [name for name in text if name in table.columns]
    return table.assign(**{name: table[name].fillna("") for name in present})


mlflow.models.set_model(VoxrayModel())
