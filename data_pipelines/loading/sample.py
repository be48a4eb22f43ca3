"""A clip on its way into a row; apart from what reads records, which single files need not."""

from typing import NamedTuple

from data_pipelines.records.clip import ClipRecord


class Sample(NamedTuple):
    """A clip and its position in the source it was read from."""

    index: int
    clip: ClipRecord
