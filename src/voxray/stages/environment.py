"""The one place that reads the environment: variables in paths, the key, the store."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from voxray.core.errors import ConfigError
from voxray.core.ids import load_or_make_key

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def variables() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ  # noqa: TID251 - the one read


def expand(text: str, known: Mapping[str, str] | None = None) -> str:
    """Replace `${VAR}` and a leading `~`.

    Args:
        text: As written by a person.
        known: Variables to use instead of the environment.

    Raises:
        ConfigError: If a variable is not set, or set to nothing.
    """
    values = variables() if known is None else known

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if not values.get(name):
            msg = f"the variable ${{{name}}} in {text!r} is not set; export {name}=…"
            raise ConfigError(msg)
        return values[name]

    expanded = _VARIABLE.sub(value_of, text)
    return str(Path(expanded).expanduser()) if expanded.startswith("~") else expanded


def user_key() -> bytes:
    """The user's secret key for ids, made on first use.

    `VOXRAY_KEY_FILE` names another file than `~/.config/voxray/key`.

    Raises:
        MachineError: If it cannot be read or made.
    """
    named = variables().get("VOXRAY_KEY_FILE")
    config = platformdirs.user_config_path("voxray")
    return load_or_make_key(Path(named).expanduser() if named else config / "key")


def tracking_uri(workspace: Path, asked: str | None = None) -> str:
    """Where runs are recorded.

    Args:
        workspace: Holds the store unless another is named.
        asked: `track.uri` of the experiment; `${VAR}` expands.

    Returns:
        `asked`, else MLFLOW_TRACKING_URI, else SQLite in `workspace/tracking`.
    """
    if asked:
        return expand(asked)
    database = workspace.resolve() / "tracking" / "mlflow.db"
    return variables().get("MLFLOW_TRACKING_URI") or f"sqlite:///{database}"


def artifact_root(workspace: Path) -> Path:
    """Where the artifacts of a store in the workspace lie."""
    return workspace.resolve() / "tracking" / "artifacts"


def spool_folder(workspace: Path) -> Path:
    """Where runs keep what their store does not have yet."""
    return workspace.resolve() / "tracking" / "spool"
