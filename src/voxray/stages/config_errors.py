"""Pydantic's errors in the words of an experiment file."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from voxray.core.specs import Experiment, Spec

Location = tuple[int | str, ...]


def describe(
    error: ValidationError, content: Mapping[str, Any], above: Location = ()
) -> list[str]:
    """One line for each thing that is wrong.

    Args:
        error: From validating `content` as an `Experiment`, or as a part of one.
        content: What was read from the file.
        above: Which part, e.g. ("data",); `content` still is a whole experiment.

    Returns:
        Lines like "train.budget_minute: unknown key; did you mean 'budget_minutes'?".
    """
    details = error.errors(include_url=False)
    for detail in details:
        detail["loc"] = (*above, *detail["loc"])
    groups = groupby(details, key=lambda e: _place(e["loc"], content))
    return [line for place, found in groups for line in _lines(place, list(found))]


def _place(location: Location, content: object) -> Location:
    """Key path as far as it lies before the first name pydantic gave an alternative."""
    here, kept = content, 0
    for part in location:
        inside = _inner(here, part)
        if inside is None:
            break
        here, kept = inside[0], kept + 1
    return location[:kept] if _alternative(location[kept:]) else location


def _inner(here: object, part: int | str) -> tuple[object] | None:
    if isinstance(here, Mapping) and part in here:
        return (here[part],)
    if isinstance(here, Sequence) and isinstance(part, int) and part < len(here):
        return (here[part],)
    return None


def _alternative(rest: Location) -> bool:
    """Whether `rest` starts with a member of a union, not with a key of the file."""
    return bool(rest) and (
        rest[0] in _SPEC_NAMES or str(rest[0]).startswith("literal[") or len(rest) > 1
    )


def _lines(place: Location, found: list[ErrorDetails]) -> list[str]:
    inside = [e for e in found if e["loc"] != place]
    if not inside:
        return [_one(place, detail) for detail in found]
    if keyed := [e for e in inside if e["loc"][-1] == "[key]"]:
        return [_one(e["loc"], e) for e in keyed]
    if right := _best_alternative(place, inside):
        return [_one(_without_tag(e["loc"], place), e) for e in right]
    options = "; ".join(dict.fromkeys(_option(e, len(place)) for e in found))
    return [f"{_dotted(place)}: {found[0]['input']!r} is none of: {options}"]


def _best_alternative(place: Location, found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Errors of the alternative whose keys were given; empty when none fits."""
    by_tag: dict[int | str, list[ErrorDetails]] = {}
    for detail in found:
        by_tag.setdefault(detail["loc"][len(place)], []).append(detail)
    unfit = {"missing", "extra_forbidden", "model_type", "literal_error"}
    for details in by_tag.values():
        if not any(e["type"] in unfit or e["type"].endswith("_type") for e in details):
            return details
    return []


def _without_tag(location: Location, place: Location) -> Location:
    return (*place, *location[len(place) + 1 :])


def _option(detail: ErrorDetails, depth: int) -> str:
    tag = str(detail["loc"][depth]) if len(detail["loc"]) > depth else ""
    if tag in _SPEC_NAMES:
        return (
            "{" + ", ".join(f"{key}: …" for key in _SPEC_NAMES[tag].model_fields) + "}"
        )
    expected = detail.get("ctx", {}).get("expected")
    return str(expected) if expected else detail["msg"]


def _one(place: Location, detail: ErrorDetails) -> str:
    where = _dotted(tuple(p for p in place if p != "[key]")) or "the experiment"
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key; {_nearest(place)}"
    if detail["type"] == "missing":
        return f"{where}: missing; give it a value"
    return f"{where}: {_reason(detail)}"


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "model_type":
        return f"it has keys of its own, got {detail['input']!r}"
    if detail["type"] == "enum":
        return _not_in_list(str(detail["input"]), detail["ctx"]["expected"])
    text = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{text}, got {detail['input']!r}"


def _not_in_list(value: str, expected: str) -> str:
    options = [option.strip("'") for option in re.split(", | or ", expected)]
    if close := difflib.get_close_matches(value, options, 1):
        return f"{value!r} is not known; did you mean {close[0]!r}?"
    return f"{value!r} is not known; valid: {', '.join(options)}"


def _nearest(place: Location) -> str:
    """Name the valid key that is most like the unknown one, here or elsewhere."""
    *above, key = (str(part) for part in place)
    here = _keys_at(above)
    if close := difflib.get_close_matches(key, here, 1):
        return f"did you mean {close[0]!r}?"
    everywhere = {path.rpartition(".")[2]: path for path in _all_keys(Experiment, "")}
    if close := difflib.get_close_matches(key, everywhere, 1):
        return f"did you mean {everywhere[close[0]]!r}?"
    return f"valid keys: {', '.join(here)}"


def _keys_at(path: Sequence[str]) -> list[str]:
    specs: list[type[Spec]] = [Experiment]
    any_key = False
    for part in path:
        if any_key:
            any_key = False
            continue
        kinds = [kind for s in specs for key, kind in _fields(s) if key == part]
        specs = [s for kind in kinds for s in _specs_in(kind)]
        any_key = any(_holds_dict(kind) for kind in kinds)
    return [] if any_key else [key for s in specs for key, _ in _fields(s)]


def _all_keys(spec: type[Spec], prefix: str) -> Iterator[str]:
    for key, kind in _fields(spec):
        yield f"{prefix}{key}"
        if not _holds_dict(kind):
            for inner in _specs_in(kind):
                yield from _all_keys(inner, f"{prefix}{key}.")


def _fields(spec: type[Spec]) -> Iterator[tuple[str, object]]:
    for name, field in spec.model_fields.items():
        yield field.alias or name, field.annotation


def _specs_in(kind: object) -> list[type[Spec]]:
    if isinstance(kind, type) and issubclass(kind, Spec):
        return [kind]
    return [s for part in get_args(kind) for s in _specs_in(part)]


def _holds_dict(kind: object) -> bool:
    return get_origin(kind) is dict or any(_holds_dict(a) for a in get_args(kind))


def _dotted(place: Location) -> str:
    return ".".join(str(part) for part in place)


def _named_specs(spec: type[Spec]) -> dict[str, type[Spec]]:
    inner = [s for _, kind in _fields(spec) for s in _specs_in(kind)]
    return {k: v for s in inner for k, v in (*_named_specs(s).items(), (s.__name__, s))}


_SPEC_NAMES = _named_specs(Experiment)
