"""The data sets by name; adding one is adding its line here."""

from data_pipelines.benchmarks import folder
from data_pipelines.benchmarks.base import Reader
from data_pipelines.errors import UserError, nearest

READERS: dict[str, Reader] = {"folder": folder.clips}


def find_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        UserError: there is none; says which comes near.
    """
    if name not in READERS:
        raise UserError(f"no reader called {name!r}; {nearest(name, READERS)}")
    return READERS[name]
