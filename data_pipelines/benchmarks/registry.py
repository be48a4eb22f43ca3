"""The data sets by name; adding one is adding its line here. Reads the options of a reader."""

import inspect
import typing
from collections.abc import Sequence

from data_pipelines.benchmarks import (
    avdeepfake1m,
    avspeech,
    celebdf,
    dfdc,
    dftimit,
    faceforensics,
    fakeavceleb,
    folder,
    idforge,
    kodf,
    lavdf,
    lrs3,
    voxceleb2,
)
from data_pipelines.benchmarks.base import Reader
from data_pipelines.errors import UserError, nearest

READERS: dict[str, Reader] = {
    "avdeepfake1m": avdeepfake1m.clips,
    "avspeech": avspeech.clips,
    "celebdf": celebdf.clips,
    "dfdc": dfdc.clips,
    "dftimit": dftimit.clips,
    "faceforensics": faceforensics.clips,
    "fakeavceleb": fakeavceleb.clips,
    "folder": folder.clips,
    "idforge": idforge.clips,
    "kodf": kodf.clips,
    "lavdf": lavdf.clips,
    "lrs3": lrs3.clips,
    "voxceleb2": voxceleb2.clips,
}

# For pretraining: they have no forged clips, so none are lacking.
GENUINE = frozenset({"avspeech", "lrs3", "voxceleb2"})


def find_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        UserError: there is none; says which comes near.
    """
    if name not in READERS:
        raise UserError(f"no reader called {name!r}; {nearest(name, READERS)}")
    return READERS[name]


def reader_options(name: str, settings: Sequence[str]) -> dict[str, typing.Any]:
    """A reader's options from texts such as `compression=c40`, to be passed on to it.

    Raises:
        UserError: it has no such option, or the option no such value; says which comes near.
    """
    reader = find_reader(name)
    parameters = inspect.signature(reader).parameters.values()
    known = [item.name for item in parameters if item.kind is item.KEYWORD_ONLY]
    options = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if option not in known:
            hint = nearest(option, known) if known else "it has none"
            raise UserError(f"reader {name!r} has no option {option!r}; {hint}")
        if not equals:
            raise UserError(f"option {option!r} has no value; write {option}=VALUE")
        choices = {str(choice): choice for choice in _choices(reader, option)}
        if choices and value not in choices:
            raise UserError(f"option {option!r} is {value!r}; {nearest(value, choices)}")
        options[option] = choices.get(value, value)
    return options


def _choices(reader: Reader, option: str) -> tuple:
    """The values of an option that is a `Literal`; none for free text."""
    return typing.get_args(typing.get_type_hints(reader)[option])
