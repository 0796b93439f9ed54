"""A registered version and the runs that judged it on other scans."""

from mlflow.entities import LoggedModelInput

from voxray.mlflow_store.refs import ModelVersionRef
from voxray.mlflow_store.store import Store

EVALUATION_TAG = "evaluation"
_MOST_CHARACTERS = 400


def note_evaluation(
    store: Store, version: ModelVersionRef, run_id: str, headline: str
) -> None:
    """Make the run an evaluation of the version, found from the version's page.

    Raises:
        MachineError: If the store is away.
    """
    with store.client() as client:
        known = client.get_model_version(version.name, str(version.version))
        if known.model_id:
            client.log_inputs(run_id, models=[LoggedModelInput(known.model_id)])
        said = f"run {run_id}: {headline}"[:_MOST_CHARACTERS]
        client.set_model_version_tag(
            version.name, str(version.version), f"{EVALUATION_TAG}.{run_id[:8]}", said
        )
