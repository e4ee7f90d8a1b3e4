"""Settings by name: `FIELD=VALUE` or `PART.FIELD=VALUE` applied to a frozen record."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from engine.errors import RecipeError

_PARSERS: Mapping[Any, Any] = {
    int: int,
    float: float,
    float | None: lambda text: None if text == "none" else float(text),
    str: str,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
}

Record = TypeVar("Record")


def flatten(record: Any) -> dict[str, Any]:
    """Every setting of a dataclass with a plain value, those of its parts as `part.field`."""
    flat = {}
    for one in dataclasses.fields(record):
        value = getattr(record, one.name)
        if one.type in _PARSERS:
            flat[one.name] = value
        elif dataclasses.is_dataclass(value):
            flat |= {f"{one.name}.{name}": inner for name, inner in flatten(value).items()}
        elif isinstance(value, Mapping):
            flat |= {f"{one.name}.{name}": inner for name, inner in value.items() if type(inner) in _PARSERS}
    return flat


def change_settings(record: Record, changes: Sequence[str], known: Mapping[str, Any] | None = None) -> Record:
    """Apply changes, each read by the type of the field or of its present value.

    Args:
        record: A frozen dataclass.
        changes: `FIELD=VALUE` each.
        known: The settings that may be changed, with their present values; all when missing.

    Raises:
        RecipeError: A field is unknown, or its value is of another type or out of range.
    """
    known = flatten(record) if known is None else known
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in known:
            raise RecipeError(f"--set takes FIELD=VALUE with a field of: {', '.join(known)}. Got '{change}'.")
        part, dot, inner = name.partition(".")
        value = _parse(name, text, _kind(getattr(record, part) if dot else record, inner or name, known[name]))
        if dot:
            parts.setdefault(part, {})[inner] = value
        else:
            own[name] = value
    # All at once, since the checks of a record may allow two changes together that they don't allow one by one.
    for part, values in parts.items():
        whole = getattr(record, part)
        own[part] = _replace(whole, values) if dataclasses.is_dataclass(whole) else {**whole, **values}
    return _replace(record, own)


def _replace(record: Any, values: Mapping[str, Any]) -> Any:
    return dataclasses.replace(record, **values)


def _kind(record: Any, name: str, present: Any) -> Any:
    fields = dataclasses.fields(record) if dataclasses.is_dataclass(record) else ()
    return next((one.type for one in fields if one.name == name), type(present))


def _parse(name: str, text: str, kind: Any) -> Any:
    try:
        return _PARSERS[kind](text)
    except (ValueError, KeyError) as error:
        raise RecipeError(f"--set {name}: '{text}' is no {_type_name(kind)}.") from error


def _type_name(kind: Any) -> str:
    return " or ".join(one.__name__ for one in get_args(kind)) or kind.__name__
