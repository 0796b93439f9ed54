"""What every stage has in common: skip when up to date, run, record.

A stage's folder holds `stage.json`, written last. It says what the outputs were made
from (inputs, configuration, code), what the outputs are, and how the stage ended. A
stage is skipped when all of that still holds. A run that is killed leaves no
`stage.json`, so the stage runs again and continues from its own state, if it keeps any.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import voxray
from voxray.core.errors import ConfigError, ManifestError
from voxray.core.files import read_json, write_json
from voxray.core.hashing import sha256_json
from voxray.core.ids import Pseudonymizer
from voxray.core.progress import Listener
from voxray.core.records import Sha256
from voxray.core.specs import Experiment
from voxray.stages.fingerprint import Signature, code_hash, signatures

RECORD_NAME = "stage.json"


@dataclass(frozen=True, slots=True)
class StageContext:
    """What every stage gets.

    Attributes:
        experiment: The whole experiment.
        folder: `workspace/<experiment name>`.
        workspace: Holds all experiments and the tracking store.
        pseudonymizer: Makes ids with the user's key.
        listen: Gets progress events.
        workers: Processes for work per scan.
        say: Shows one line to a person. No identity.
    """

    experiment: Experiment
    folder: Path
    workspace: Path
    pseudonymizer: Pseudonymizer
    listen: Listener
    workers: int
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """How a stage ended.

    Attributes:
        counts: What was found and made, e.g. {"scans": 20, "patients": 18}.
        message: One line for a person.
        n_unused: Inputs that are accounted for but not used: `--strict` minds them.
        n_failed: Accepted scans that could not be processed: exit code 4.
        skipped: Whether the outputs were up to date, and nothing was done.
    """

    counts: Mapping[str, int]
    message: str
    n_unused: int = 0
    n_failed: int = 0
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        number: Place in the order, from 1.
        name: As in `--from NAME`.
        title: What it does, for a person, e.g. "find and check the scans".
        folder: Where it writes, inside the experiment's folder.
        config: The part of the experiment that its outputs depend on, as JSON.
        inputs: Name to hash of what it reads; see `earlier` and `fingerprint`.
        run: Does the work and writes into `context.folder / folder`.
        caches: Sub-folders whose files are known by size and time, not by contents.
    """

    number: int
    name: str
    title: str
    folder: str
    config: Callable[[Experiment], object]
    inputs: Callable[[StageContext], Mapping[str, Sha256]]
    run: Callable[[StageContext], StageOutcome]
    caches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What `stage.json` holds.

    Attributes:
        inputs: Hash of each thing that was read.
        config: Hash of each part of the configuration that counted.
        code: Hash over the package.
        outputs: Signature of each file that was written.
        outcome: How it ended.
    """

    inputs: Mapping[str, str]
    config: Mapping[str, str]
    code: str
    outputs: Mapping[str, Signature]
    outcome: StageOutcome


def run_stage(
    stage: Stage,
    context: StageContext,
    force: bool = False,  # noqa: FBT001, FBT002 - part of the fixed signature
) -> StageOutcome:
    """Run a stage unless its outputs are up to date.

    Args:
        stage: What to run.
        context: Where and how.
        force: Run it even if it is up to date.

    Returns:
        The outcome; that of the earlier run, marked `skipped`, when up to date.

    Raises:
        VoxrayError: Whatever stops the stage; then no `stage.json` is left.
    """
    folder = context.folder / stage.folder
    planned = _plan_record(stage, context)
    found = read_record(folder)
    changes = changed_since(found, planned, stage, folder) if found else ()
    if found and not changes and not force:
        return replace(found.outcome, skipped=True)
    if changes:
        context.say(f"{stage.name}: runs again, changed: {', '.join(changes)}")
    return run_recorded(stage, planned, folder, lambda: stage.run(context))


def run_recorded(
    stage: Stage, planned: StageRecord, folder: Path, run: Callable[[], StageOutcome]
) -> StageOutcome:
    """Run a stage, and record what its outputs in `folder` were made from."""
    (folder / RECORD_NAME).unlink(missing_ok=True)
    started = time.monotonic()
    outcome = run()
    written = signatures(folder, stage.caches)
    record = replace(planned, outputs=written, outcome=outcome)
    write_record(folder, stage, record, time.monotonic() - started)
    return outcome


def require_stage(stage: Stage, context: StageContext) -> None:
    """Check that an earlier stage, which will not run now, can be built upon.

    Changed code alone is allowed: the user asked to start after this stage.

    Raises:
        ConfigError: If it never finished here.
        ManifestError: If its inputs, configuration or outputs have changed since.
    """
    folder = context.folder / stage.folder
    found = read_record(folder)
    if found is None:
        raise ConfigError(_not_run(stage.name, context))
    planned = replace(_plan_record(stage, context), code=found.code)
    if changes := changed_since(found, planned, stage, folder):
        msg = (
            f"stage {stage.name} is out of date, changed: {', '.join(changes)}; "
            f"run again with --from {stage.name}"
        )
        raise ManifestError(msg)


def earlier(context: StageContext, folder: str, *names: str) -> dict[str, Sha256]:
    """Hashes of what an earlier stage wrote, for `Stage.inputs`.

    Args:
        context: Whose folder is looked in.
        folder: The earlier stage's folder.
        names: Files in it; without any, one hash over the whole folder.

    Raises:
        ConfigError: If that stage has not finished here, or has no such file.
    """
    found = read_record(context.folder / folder)
    if found is None:
        raise ConfigError(_not_run(folder, context))
    if not names:
        return {folder: _identity(found)}
    missing = [name for name in names if name not in found.outputs]
    if missing:
        msg = f"stage {folder!r} wrote no {missing[0]!r}; run it again"
        raise ConfigError(msg)
    return {f"{folder}/{name}": sha256_json(found.outputs[name]) for name in names}


def read_record(folder: Path) -> StageRecord | None:
    """Read `stage.json`; None when it is absent or cannot be understood."""
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        value = read_json(path)
        outcome = StageOutcome(**value["outcome"])
        made = value["made_from"]
        return StageRecord(
            made["inputs"], made["config"], made["code"], value["outputs"], outcome
        )
    except (ManifestError, KeyError, TypeError):
        return None


def write_record(
    folder: Path, stage: Stage, record: StageRecord, duration_s: float
) -> None:
    """Write `stage.json`, the sign that the stage is complete."""
    value: dict[str, Any] = {
        "stage": stage.name,
        "voxray_version": voxray.__version__,
        "finished": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "duration_s": round(duration_s, 1),
        "made_from": {
            "inputs": dict(record.inputs),
            "config": dict(record.config),
            "code": record.code,
        },
        "outcome": {**asdict(record.outcome), "counts": dict(record.outcome.counts)},
        "outputs": dict(record.outputs),
    }
    write_json(folder / RECORD_NAME, value)


def changed_since(
    found: StageRecord, planned: StageRecord, stage: Stage, folder: Path
) -> tuple[str, ...]:
    """What differs between the finished stage and what is asked for now, in words."""
    inputs = _changed_keys(found.inputs, planned.inputs)
    config = _changed_keys(found.config, planned.config)
    code = () if found.code == planned.code else ("voxray itself",)
    outputs = _changed_keys(found.outputs, signatures(folder, stage.caches))
    return (
        *(f"input {name}" for name in inputs),
        *(f"setting {name}" for name in config),
        *code,
        *_shortened([f"output {name}" for name in outputs]),
    )


def _plan_record(stage: Stage, context: StageContext) -> StageRecord:
    return planned_record(stage.inputs(context), stage.config(context.experiment))


def planned_record(inputs: Mapping[str, Sha256], config: object) -> StageRecord:
    """What `stage.json` will say outputs were made from; they are not made yet."""
    nothing = StageOutcome(counts={}, message="")
    return StageRecord(dict(inputs), _config_hashes(config), code_hash(), {}, nothing)


def _config_hashes(value: object) -> dict[str, str]:
    """Hash per setting, so that a change can be named and no path is written."""
    if not isinstance(value, Mapping):
        return {"all": sha256_json(value)}
    hashes: dict[str, str] = {}
    for key, part in value.items():
        if isinstance(part, Mapping):
            inner = {f"{key}.{k}": sha256_json(v) for k, v in part.items()}
            hashes.update(inner or {str(key): sha256_json({})})
        else:
            hashes[str(key)] = sha256_json(part)
    return hashes


def _identity(record: StageRecord) -> Sha256:
    """Hash over a stage's outputs; a cache counts by what it was made from."""
    files = {n: s.get("sha256", s.get("size_bytes")) for n, s in record.outputs.items()}
    hashed = all("sha256" in signature for signature in record.outputs.values())
    made_from = None if hashed else [record.inputs, record.config, record.code]
    return sha256_json([files, made_from])


def _changed_keys(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return sorted(k for k in {*old, *new} if old.get(k) != new.get(k))


def _shortened(changes: list[str], most: int = 3) -> list[str]:
    if len(changes) <= most:
        return changes
    return [*changes[:most], f"and {len(changes) - most} more"]


def _not_run(name: str, context: StageContext) -> str:
    return (
        f"stage {name!r} has not finished in {str(context.folder)!r}; "
        "run the experiment without --from, or from that stage"
    )
