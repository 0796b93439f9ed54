"""The gate policy of a team, and the locked set it names."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from voxray.core.errors import ConfigError
from voxray.core.specs.gate import GatePolicy, LockedSet, ModelGate
from voxray.stages.environment import expand
from voxray.stages.truth import LabelledScans, labelled_scans


def read_policy(path: Path) -> GatePolicy:
    """Read the policy file.

    Raises:
        ConfigError: If it is missing or wrong; names the key that a model lacks, such
            as its margin.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return GatePolicy.model_validate(found)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg']}"
            for part in error.errors()
        )
        msg = f"cannot read the gate policy {str(path)!r}: {said}"
        raise ConfigError(msg) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        msg = f"cannot read the gate policy {str(path)!r}: {error}"
        raise ConfigError(msg) from error


def locked_scans(
    gate: ModelGate, policy: Path, given: LabelledScans | None
) -> LabelledScans | None:
    """Where the locked set of a model lies; None if the policy has none.

    Args:
        gate: Of the model.
        policy: File that relative paths are relative to.
        given: Paths of this machine, in place of those of the policy.

    Raises:
        ConfigError: If it has no scans, or paths are given and it has no name.
    """
    locked = gate.locked
    if locked is None:
        if given is not None:
            msg = (
                "scans are given, but the gate policy names no locked set; looks are "
                "counted by name: set locked.name"
            )
            raise ConfigError(msg)
        return None
    scans, labels, masks = (
        own or _expanded(stated, policy)
        for own, stated in (
            (given and given.scans, locked.scans),
            (given and given.labels, locked.labels),
            (given and given.masks, locked.masks),
        )
    )
    if scans is None:
        msg = (
            f"the locked set {locked.name!r} has no scans: set locked.scans or --scans"
        )
        raise ConfigError(msg)
    for path in filter(None, (scans, labels, masks)):
        if not path.exists():
            msg = f"the locked set {locked.name!r}: {str(path)!r} does not exist"
            raise ConfigError(msg)
    return labelled_scans(scans, labels, masks, _columns(locked))


def _expanded(stated: Path | None, policy: Path) -> Path | None:
    return None if stated is None else policy.parent / expand(str(stated))


def _columns(locked: LockedSet) -> dict[str, str | None]:
    return {
        "key": locked.key,
        "by": locked.by,
        "column": locked.column,
        "patient": locked.patient,
    }
