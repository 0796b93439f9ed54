"""Records to JSON text and back, by their type hints; nothing is executed.

Fields that a record gains are carried without a change here. What a hint may be: None,
bool, int, float, str, a `StrEnum`, a path, a frozen dataclass, a tuple, a mapping from
text, a numpy array, and any of these or None.
"""

import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    NewType,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

T = TypeVar("T")
_Turn = Callable[[Any], Any]
_PLAIN = {NoneType, bool, int, float}


class Codec(Generic[T]):
    """Turns records of one type into JSON text and back."""

    def __init__(self, record: type[T]) -> None:
        """Work out how, from the hints of the type and of what it holds.

        Raises:
            TypeError: If a hint is none that can be carried.
        """
        encode, decode = _both(cast("Any", record))
        self._encode, self._decode = encode or _same, decode or _same

    def to_text(self, value: T) -> str:
        """Equal records give equal text."""
        return json.dumps(self._encode(value), separators=(",", ":"))

    def from_text(self, text: str) -> T:
        """Make the record again.

        Raises:
            ValueError: If the text is none that this codec wrote.
        """
        try:
            record: T = self._decode(json.loads(text))
        except (TypeError, LookupError) as error:
            msg = "the text is no record of this type"
            raise ValueError(msg) from error
        return record


def _same(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


@cache
def _both(hint: Any) -> tuple[_Turn | None, _Turn | None]:  # noqa: ANN401 - a type hint
    """How to encode and decode a value; None where nothing has to be done."""
    origin = get_origin(hint)
    if origin is Annotated or isinstance(hint, NewType):
        return _both(get_args(hint)[0] if origin else hint.__supertype__)
    if origin in _CONTAINERS:
        return _CONTAINERS[origin](hint)
    is_record = is_dataclass(hint) and isinstance(hint, type)
    return _record(hint) if is_record else _simple(hint)


def _simple(hint: Any) -> tuple[_Turn | None, _Turn | None]:  # noqa: ANN401 - a type
    if hint in _PLAIN:
        return None, None
    if isinstance(hint, type) and issubclass(hint, str):
        return (str, hint) if issubclass(hint, StrEnum) else (None, sys.intern)
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return hint.as_posix, hint
    msg = f"a value of type {hint} cannot be carried"
    raise TypeError(msg)


def _optional(hint: Any) -> tuple[_Turn | None, _Turn | None]:  # noqa: ANN401
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    turns = {_both(kind) for kind in kinds}
    if len(turns) > 1 and not {*kinds} <= {*_PLAIN, str}:
        msg = f"a value of type {hint} cannot be told apart"
        raise TypeError(msg)
    if len(turns) > 1:  # numbers and text are what JSON says they are
        return None, None
    encode, decode = turns.pop()
    return _unless_none(encode), _unless_none(decode)


def _unless_none(turn: _Turn | None) -> _Turn | None:
    return turn and (lambda value: None if value is None else turn(value))


def _record(hint: type[Any]) -> tuple[_Turn, _Turn]:
    """A frozen dataclass is the list of its values."""
    hints = get_type_hints(hint, include_extras=True)
    names = [field.name for field in fields(hint)]
    turns = [_both(hints[name]) for name in names]
    encoders = [(n, encode) for n, (encode, _) in enumerate(turns) if encode]
    decoders = [(n, decode) for n, (_, decode) in enumerate(turns) if decode]

    def encode(record: Any) -> list[Any]:  # noqa: ANN401 - of type `hint`
        values = [getattr(record, name) for name in names]
        for n, turn in encoders:
            values[n] = turn(values[n])
        return values

    def decode(values: list[Any]) -> Any:  # noqa: ANN401 - of type `hint`
        for n, turn in decoders:
            values[n] = turn(values[n])
        return hint(*values)

    return encode, decode


def _tuple(hint: Any) -> tuple[_Turn, _Turn]:  # noqa: ANN401 - a type hint
    kinds = [kind for kind in get_args(hint) if kind is not ...]
    turns = [_both(kind) for kind in kinds]
    if len(set(turns)) > 1:
        return _mixed_tuple(turns)
    encode, decode = turns[0] if turns else (None, None)

    def to_list(value: Any) -> list[Any]:  # noqa: ANN401 - of type `hint`
        return [encode(x) for x in value] if encode else list(value)

    def from_list(value: list[Any]) -> tuple[Any, ...]:
        if decode:
            return tuple([decode(x) for x in value])
        return _shared(tuple(value), tuple(map(type, value)))

    return to_list, from_list


def _mixed_tuple(turns: list[Any]) -> tuple[_Turn, _Turn]:
    encoders = [encode or _same for encode, _ in turns]
    decoders = [decode or _same for _, decode in turns]
    return (
        lambda value: [turn(x) for turn, x in zip(encoders, value, strict=True)],
        lambda value: tuple(turn(x) for turn, x in zip(decoders, value, strict=True)),
    )


@lru_cache(maxsize=256)
def _shared(value: tuple[Any, ...], _kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """One object for what many records say; (3, 3) and (3.0, 3.0) are two things."""
    return value


def _mapping(hint: Any) -> tuple[_Turn, _Turn]:  # noqa: ANN401 - a type hint
    """A list of pairs: what comes later may count."""
    (_, name), (to_plain, from_plain) = map(_both, get_args(hint))
    to_plain, from_plain, name = to_plain or _same, from_plain or _same, name or _same
    return (
        lambda value: [[str(key), to_plain(x)] for key, x in value.items()],
        lambda value: {name(key): from_plain(x) for key, x in value},
    )


def _set(hint: Any) -> tuple[_Turn, _Turn]:  # noqa: ANN401 - a type hint
    encode, decode = (turn or _same for turn in _both(get_args(hint)[0]))
    return (
        lambda value: sorted(encode(x) for x in value),
        lambda value: frozenset(decode(x) for x in value),
    )


def _array(_hint: Any) -> tuple[_Turn, _Turn]:  # noqa: ANN401 - a type hint
    return _array_to_list, _array_from_list


def _array_to_list(value: Any) -> list[Any]:  # noqa: ANN401 - an array of any type
    content = base64.b64encode(np.ascontiguousarray(value).tobytes())
    return [value.dtype.str, list(value.shape), content.decode("ascii")]


def _array_from_list(value: list[Any]) -> Any:  # noqa: ANN401 - an array of any type
    kind, shape, content = value
    return np.frombuffer(base64.b64decode(content), np.dtype(kind)).reshape(shape)


_CONTAINERS: dict[Any, Callable[[Any], tuple[_Turn | None, _Turn | None]]] = {
    Union: _optional,
    UnionType: _optional,
    tuple: _tuple,
    dict: _mapping,
    Mapping: _mapping,
    frozenset: _set,
    np.ndarray: _array,
}
