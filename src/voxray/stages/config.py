"""Read an experiment file, and say exactly what is wrong with it."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

import voxray
from voxray.core.errors import ConfigError
from voxray.core.specs import DataSpec, Experiment, TaskSpec
from voxray.stages.config_errors import describe
from voxray.stages.environment import expand

PATH_KEYS = (
    "data.scans",
    "data.masks",
    "data.labels.table",
    "data.overrides",
    "score.scans",
)
"""Settings that are paths: relative to the file, `${VAR}` and `~` expand."""


def load_experiment(
    path: Path, sets: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> Experiment:
    """Read an experiment.

    Args:
        path: YAML file, or the name of an experiment that voxray ships.
        sets: `key.path=VALUE` each; VALUE is read as YAML.
        variables: For `${VAR}`; the environment by default.

    Raises:
        ConfigError: If the file is missing or no YAML, a key is unknown, a value is
            wrong or a variable is not set; one line per thing that is wrong.
    """
    file = find_experiment(path)
    content = _read_mapping(file)
    for text in sets:
        _apply_set(content, text)
    for key in PATH_KEYS:
        _expand_at(content, key, file.resolve().parent, variables)
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        lines = [f"{file.name}: {line}" for line in describe(error, content)]
        raise ConfigError("\n".join(lines)) from error


def load_intake(
    rules: Path | None,
    given: Mapping[str, Path],
    variables: Mapping[str, str] | None = None,
    sets: Sequence[str] = (),
) -> tuple[DataSpec, TaskSpec | None]:
    """Read the settings of `voxray ingest`.

    Args:
        rules: YAML file with keys of `data:`, or a whole experiment; None for the
            defaults.
        given: "scans", "masks" and "labels" of the command line, which come first.
        variables: For `${VAR}`; the environment by default.
        sets: `data.key=VALUE` each; VALUE is read as YAML. They come before the file.

    Returns:
        The settings of `data:`, and the task where `rules` is an experiment.

    Raises:
        ConfigError: As in `load_experiment`, or if `sets` has a key outside `data`.
    """
    content = _read_rules(rules) if rules else {"data": {}}
    for text in sets:
        _apply_data_set(content, text)
    base = rules.resolve().parent if rules else Path.cwd()
    for key in PATH_KEYS:
        _expand_at(content, key, base, variables)
    for key, path in given.items():
        place = "data.labels.table" if key == "labels" else f"data.{key}"
        _set_at(content, place, str(path.resolve()), f"--{key}")
    try:
        if "task" in content:
            experiment = Experiment.model_validate(content)
            return experiment.data, experiment.task
        return DataSpec.model_validate(content["data"]), None
    except ValidationError as error:
        above = () if "task" in content else ("data",)
        raise ConfigError("\n".join(describe(error, content, above))) from error


def gate_policy_file() -> Path:
    """The gate policy that comes with voxray."""
    package = Path(voxray.__file__).parent
    installed = package / "_shipped" / "gate_policy.yaml"
    in_repository = package.parents[1] / "mlflow" / "gate_policy.yaml"
    return installed if installed.is_file() else in_repository


def find_experiment(path: Path) -> Path:
    """The file itself, or the shipped experiment of that bare name.

    Raises:
        ConfigError: If there is neither; says what exists near.
    """
    if path.is_file():
        return path
    shipped = {p.stem: p for p in shipped_folder("experiments").glob("*.yaml")}
    if str(path) in shipped:
        return shipped[str(path)]
    msg = f"the experiment file {str(path)!r} does not exist{_near(path, shipped)}"
    raise ConfigError(msg)


def shipped_folder(name: str) -> Path:
    """Folder of files that come with voxray: in the wheel, else in the repository."""
    package = Path(voxray.__file__).parent
    installed = package / "_shipped" / name
    return installed if installed.is_dir() else package.parents[1] / "pipelines" / name


def _near(path: Path, shipped: Mapping[str, Path]) -> str:
    if path.is_dir():
        return ": it is a folder"
    if not path.parent.is_dir():
        return f": there is no folder {str(path.parent)!r}"
    files = [p for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml"}]
    close = difflib.get_close_matches(path.name, [p.name for p in files], 1)
    if close:
        return f"; did you mean {str(path.with_name(close[0]))!r}?"
    names = sorted(str(p) for p in files)[:5]
    found = f"; there is {', '.join(names)}" if names else ""
    return f"{found}; voxray ships {', '.join(sorted(shipped)) or 'none'}"


_MERGE = "tag:yaml.org,2002:merge"  # "<<"


class _UniqueKeys(yaml.SafeLoader):
    """A loader that refuses a key given twice, where YAML's keeps the last."""


def _construct_mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, Hashable) and key in seen:
            problem = f"the key {key!r} is given twice"
            raise yaml.MarkedYAMLError(
                problem=problem, problem_mark=key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeys.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping
)


def _read_mapping(file: Path) -> dict[str, Any]:
    try:
        content = _parse(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{str(file)!r} cannot be read as text: {error}"
        raise ConfigError(msg) from error
    if not isinstance(content, dict):
        msg = f"{file.name}: an experiment is a list of 'key: value' lines"
        raise ConfigError(msg)
    return content


def _parse(text: str, where: str) -> object:
    try:
        return yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        msg = f"{where}{line}: not valid YAML: {problem}"
        raise ConfigError(msg) from error


def _read_rules(file: Path) -> dict[str, Any]:
    """An experiment, or what stands alone, below `data`."""
    if not file.is_file():
        msg = f"the rules file {str(file)!r} does not exist"
        raise ConfigError(msg)
    content = _read_mapping(file)
    if "data" not in content:
        return {"data": content}
    if not isinstance(content["data"], dict):
        msg = f"{file.name}: 'data' holds {content['data']!r}, it has no keys"
        raise ConfigError(msg)
    return content


def _apply_data_set(content: dict[str, Any], text: str) -> None:
    if not text.startswith("data."):
        msg = (
            f"--set {text!r}: here only keys of data count, e.g. data.patient=each_file"
        )
        raise ConfigError(msg)
    _apply_set(content, text)


def _apply_set(content: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        msg = f"--set {text!r}: write it as key.path=VALUE, e.g. train.steps=100"
        raise ConfigError(msg)
    _set_at(content, key, _parse(value, f"--set {text!r}"), f"--set {text!r}")


def _set_at(content: dict[str, Any], key: str, value: object, where: str) -> None:
    *parents, last = key.split(".")
    here = content
    for parent in parents:
        if here.get(parent) is None:
            here[parent] = {}
        inner = here[parent]
        if not isinstance(inner, dict):
            msg = f"{where}: {parent!r} holds {inner!r}, it has no keys"
            raise ConfigError(msg)
        here = inner
    here[last] = value


def _expand_at(
    content: dict[str, Any], key: str, base: Path, variables: Mapping[str, str] | None
) -> None:
    *parents, last = key.split(".")
    here: object = content
    for parent in parents:
        here = here.get(parent) if isinstance(here, dict) else None
    if isinstance(here, dict) and isinstance(here.get(last), str):
        try:
            here[last] = str((base / expand(here[last], variables)).resolve())
        except ConfigError as error:
            msg = f"{key}: {error}"
            raise ConfigError(msg) from error
