"""A registered version and the runs that judged it on other scans."""

from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

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
        if model_id := _model_id(client, known):
            client.log_inputs(run_id, models=[LoggedModelInput(model_id)])
        said = f"run {run_id}: {headline}"[:_MOST_CHARACTERS]
        client.set_model_version_tag(
            version.name, str(version.version), f"{EVALUATION_TAG}.{run_id[:8]}", said
        )


def _model_id(client: MlflowClient, version: ModelVersion) -> str | None:
    """The logged model of a version; a database does not keep it with the version.

    None when the run that logged it was deleted for good.
    """
    if not version.run_id:
        return None
    try:
        experiment = client.get_run(version.run_id).info.experiment_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    query = f"source_run_id = '{version.run_id}'"
    found = client.search_logged_models([experiment], filter_string=query)
    places = {model.artifact_location: model.model_id for model in found}
    return places.get(version.source or "")
