"""Frozen dataclasses from YAML files and --set key=value, which hold only what differs from the defaults."""

import contextlib
import dataclasses
import difflib
import os
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from msdae import files
from msdae.errors import UserError, printable

Config = TypeVar("Config")


def from_mapping(kind: type[Config], values: Mapping[str, Any], source: str = "config") -> Config:
    """Build the frozen dataclass `kind` from (nested) `values`.

    source: where the values come from, for error messages.

    Raises:
        UserError: an unknown key (the nearest known one is named), a missing one, or a value of another type
            or outside its range.
    """
    hints = typing.get_type_hints(kind)  # without their ranges, which the dataclass itself checks
    names = [field.name for field in dataclasses.fields(kind)]
    arguments = {}
    for key, value in values.items():
        if key not in names:
            name = printable(key)[:60]
            near = difflib.get_close_matches(name, names, n=1)
            fix = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
            raise UserError(f"{source}: unknown key '{name}'; {fix}")
        arguments[key] = _convert(hints[key], value, f"{source}: {key}")
    for entry in dataclasses.fields(kind):
        if entry.default is entry.default_factory is dataclasses.MISSING and entry.name not in arguments:
            raise UserError(f"{source}: '{entry.name}' is missing; add it")
    try:
        return kind(**arguments)
    except UserError as error:  # a value outside its range
        raise UserError(f"{source}: {error}") from error


def of_file(kind: type[Config], values: Mapping[str, Any], path: str | Path) -> Config:
    """`from_mapping` for settings in the header of the file `path`; errors say to fetch or save it again."""
    try:
        return from_mapping(kind, values, printable(path))
    except UserError as error:
        raise UserError(f"{error}; fetch or save it again") from error


def to_mapping(config: Any) -> dict[str, Any]:
    """The inverse of `from_mapping`, ready for JSON or YAML."""
    return dataclasses.asdict(config)


def load(
    kind: type[Config], path: str | Path | None, overrides: Iterable[str] = (), part: str = ""
) -> Config:
    """The dataclass `kind` from its defaults, changed by the YAML file `path` and then by `overrides`.

    overrides: "key=value" or "outer.inner=value". A file may build on another one, named relative to its
    folder: `base: other.yaml`. part: key under which a file that also configures other things holds the
    values of `kind`; overrides may begin with it.

    Raises:
        UserError: as `from_mapping` and `files.read_yaml`; a file that builds on itself, or an override that
            is not key=value.
    """
    source = "--set" if path is None else printable(path)
    values = {} if path is None else _of_file(kind, _read(Path(path)), part, source)
    for override in overrides:
        source = source if path is None else f"{printable(path)} with --set"
        values = _merged(values, _within(part, _parsed(override)))
    return from_mapping(kind, values, source)


def _of_file(kind: type, values: dict[str, Any], part: str, source: str) -> dict[str, Any]:
    """As `_within`; raises a UserError if fields of `kind` stand beside the key `part`, not in it."""
    inner = _within(part, values)
    if inner is not values:
        for name in sorted({field.name for field in dataclasses.fields(kind)} & values.keys()):
            raise UserError(f"{source}: '{name}' stands beside '{part}', not in it; move it there")
    return inner


def _within(part: str, values: dict[str, Any]) -> dict[str, Any]:
    """The mapping under the key `part` of `values`; `values` itself if there is none."""
    inner = values.get(part)
    return inner if isinstance(inner, dict) else values


def _parsed(override: str) -> dict[str, Any]:
    """The override "a.b=value" as nested mappings: {"a": {"b": value}}."""
    key, equals, text = override.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(name.isidentifier() for name in keys):
        raise UserError(f"--set {printable(override)[:60]}: no key with a value; write it as key=value")
    try:
        value = files.parse_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "the value is no YAML, as 3, true, name or [1, 2] are"
        raise UserError(f"--set {printable(override)[:60]}: {reason}; put it in quotes") from error
    for name in reversed(keys):
        value = {name: value}
    return value


def require_ranges(config: Any, *names: str) -> None:
    """Check that fields of a dataclass are a lower and an upper bound.

    names: the fields; by default all whose values are tuples.

    Raises:
        UserError: a field is not two numbers, the lower one first.
    """
    for name in names or (name for name, value in vars(config).items() if isinstance(value, tuple)):
        value = getattr(config, name)
        if len(value) != 2 or value[0] > value[1]:
            raise UserError(f"{name} is {list(value)}; give two numbers, the lower one first")


def _read(path: Path, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a YAML file, merged over those of its base. above: the files that build on it."""
    place = os.path.realpath(path)
    if place in above:
        raise UserError(f"{printable(path)}: builds on itself; take its 'base' out or name another file")
    values = files.read_yaml(path)
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise UserError(f"{printable(path)}: base: expected the name of a file, got {_short(base)}")
    try:
        return _merged(_read(path.parent / base, (*above, place)), values)
    except UserError as error:
        raise UserError(f"{printable(path)}: base: {error}") from error


def _merged(values: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`values` updated with `over`, key by key at every depth."""
    both = {
        key: _merged(values[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(values.get(key), dict)
    }
    return values | over | both


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UserError(f"{where}: expected keys and values, got {_short(value)}")
        return from_mapping(hint, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{where}: expected a list, got {_short(value)}")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if type(None) in arguments:
        return None if value is None else _convert(arguments[0], value, where)
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif hint in (int, bool, str) and type(value) is hint and (hint is not int or abs(value) < 2**64):
        return value
    raise UserError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {_short(value)}")


def _short(value: Any) -> str:
    with contextlib.suppress(ValueError):
        return printable(repr(value)[:60])
    return "a number of thousands of digits"
