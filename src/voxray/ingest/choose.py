"""Which scans the rules of a channel let pass."""

import re

from voxray.core.errors import ConfigError
from voxray.core.specs import ChannelRules, IntakeRules
from voxray.ingest.scans import FoundScan


def unwanted(scan: FoundScan, rules: IntakeRules) -> str | None:
    """Say why no channel wants a scan; None when one does."""
    reasons = {name: why_not(scan, own) for name, own in rules.channels.items()}
    if None in reasons.values():
        return None
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def why_not(scan: FoundScan, rules: ChannelRules) -> str | None:
    """Say which rule leaves a scan out; None when it passes.

    A NIfTI file states neither modality nor description, and passes.

    Raises:
        ConfigError: If the rule is no regular expression.
    """
    if scan.header is None:
        return None
    if rules.modality and scan.modality not in rules.modality:
        wanted = ", ".join(rules.modality)
        return f"modality is {scan.modality or 'not stated'}, the rule asks {wanted}"
    description = scan.header.series_description or ""
    if rules.description is not None and not _found(rules.description, description):
        return f"the series description does not match {rules.description!r}"
    return None


def _found(pattern: str, description: str) -> bool:
    try:
        return re.search(pattern, description, re.IGNORECASE) is not None
    except re.error as error:
        msg = (
            f"data.channels: description {pattern!r} is no regular expression: {error}"
        )
        raise ConfigError(msg) from error
