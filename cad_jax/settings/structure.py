"""Turns plain mappings (ml_collections, JSON) into frozen, typed dataclasses, and back.

Also lists, explains and compares settings. Knows no particular configuration: `settings.experiment`
holds the fields.
"""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from data_pipelines.errors import UserError, nearest, one_line

T = TypeVar("T")


class ConfigError(UserError):
    """A configuration has a key, a type or a value that it cannot have."""


def structure(cls: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """An instance of dataclass `cls` from nested mappings, checked against its annotations.

    Lists become tuples, ints become floats where a float is asked for; nothing else is converted.

    Args:
        cls: a dataclass whose annotations are scalars, dataclasses, tuples, dictionaries by name or
            unions of them.
        values: key -> value; missing keys take the dataclass's defaults.
        where: the dotted name of `values`, for messages.

    Raises:
        ConfigError: an unknown key (with the nearest right one), a missing one, a wrong type.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}.{key} is no setting: {nearest(key, fields)}")
    for name, field in fields.items():
        optional = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
        if name not in values and not optional:
            raise ConfigError(f"{where}.{name} is missing")
    arguments = {key: _convert(hints[key], values[key], f"{where}.{key}") for key in values}
    try:
        return cls(**arguments)
    except ValueError as error:  # a dataclass's own check of its values
        raise ConfigError(f"{where}: {error}") from None


def unstructure(value: Any) -> Any:
    """The JSON-ready form of a dataclass: `structure` is its inverse."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: unstructure(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [unstructure(item) for item in value]
    if isinstance(value, Mapping):
        return {name: unstructure(item) for name, item in value.items()}
    return value


def to_tree(value: Any) -> Any:
    """A dataclass as nested dictionaries; everything else, tuples too, as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_tree(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


def leaves(tree: Mapping[str, Any], where: str = "config") -> dict[str, Any]:
    """Dotted name -> value of every setting in nested dictionaries."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{where}.{key}"
        found |= leaves(value, name) if isinstance(value, Mapping) else {name: value}
    return found


def meanings(cls: type, where: str = "config") -> dict[str, str]:
    """Dotted name -> what the `Attributes` of its dataclass's docstring say of each setting.

    Raises:
        KeyError: a setting is not explained.
    """
    hints, said = typing.get_type_hints(cls), _attributes(inspect.getdoc(cls) or "")
    found: dict[str, str] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name, hint = f"{where}.{field.name}", hints[field.name]
        found |= (
            meanings(typing.cast(type, hint), name)
            if dataclasses.is_dataclass(hint)
            else {name: said[field.name]}
        )
    return found


def differences(old: Any, new: Any, where: str = "config") -> dict[str, tuple[Any, Any]]:
    """Dotted names of the settings in which two unstructured configurations differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = {}
        for key in [*old, *(key for key in new if key not in old)]:
            found |= differences(old.get(key), new.get(key), f"{where}.{key}")
        return found
    return {} if old == new else {where: (old, new)}


def _attributes(docstring: str) -> dict[str, str]:
    """Name -> text of an `Attributes` section; `a, b: text` speaks of both."""
    section = docstring.partition("Attributes:\n")[2].partition("\n\n")[0]
    said: dict[str, str] = {}
    for names, text in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", section, re.M):
        said |= dict.fromkeys(names.split(", "), one_line(text))
    return said


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        if value in typing.get_args(hint):
            return value
        known = [str(choice) for choice in typing.get_args(hint)]
        raise ConfigError(f"{where}={value!r} is not possible: {nearest(str(value), known)}")
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be an object, not {value!r}")
        _, item = typing.get_args(hint)
        return {name: _convert(item, value[name], f"{where}.{name}") for name in value}
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return structure(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, bool):
        raise ConfigError(f"{where} must be int, not {value!r}")
    kind = typing.cast(type, hint)
    if isinstance(value, kind):
        return value
    raise ConfigError(f"{where} must be {kind.__name__}, not {value!r}")


def _convert_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    (choice,) = (choice for choice in choices if choice is not type(None))
    return _convert(choice, value, where)


def _convert_tuple(items: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} must be a list, not {value!r}")
    if items[-1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise ConfigError(f"{where} must have {len(items)} entries, not {len(value)}")
    pairs = enumerate(zip(items, value, strict=True))
    return tuple(_convert(hint, item, f"{where}[{i}]") for i, (hint, item) in pairs)
