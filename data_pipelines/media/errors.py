"""Why a file cannot be used: a closed set of reasons that machines count and people read."""

from typing import Literal

from data_pipelines.errors import UserError

Reason = Literal[
    "missing",  # no such file
    "unreadable",  # the file system refuses it
    "empty",  # zero bytes
    "not_media",  # no container format that we open
    "truncated",  # cut off so early that nothing can be decoded
    "too_large",  # beyond a limit on pixels, duration or decoded bytes
    "no_frames",  # streams, but nothing in them decodes
    "too_short",  # less than the shortest window
    "no_video",  # the data set promises a picture and there is none
    "no_audio",  # the data set promises sound and there is none
    "no_face",  # a picture, but no face in it for long enough
    "timeout",  # took longer than a clip may take
    "crashed",  # killed the process that worked on it
]


class MediaError(UserError):
    """A file that cannot be prepared.

    Attributes:
        reason: one of `Reason`; what `skipped.csv` and a prediction's answer are keyed by.
        detail: one line for people: what was found and what was expected.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
