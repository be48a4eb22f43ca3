"""What the service takes, how long it keeps it, and where."""

import dataclasses
import pathlib

MEGABYTE = 10**6


@dataclasses.dataclass(frozen=True)
class ServiceSettings:
    """Limits of a service.

    Attributes:
        folder: uploads and jobs; processes that are given the same one share the work.
        max_mb: of one upload.
        upload_s: how long one upload may take.
        max_uploads: that one process receives at once.
        per_minute: uploads of one address.
        max_waiting: jobs that are not answered yet.
        max_stored_mb: of all uploads that are not judged yet.
        max_reports_mb: of all reports that are kept; the oldest ones go first.
        timeout_s: how long decoding one file may take.
        max_seconds: of picture or sound in one file.
        keep_hours: how long an answer and its report are kept. An upload is deleted once it is
            judged.
    """

    folder: pathlib.Path
    max_mb: int = 200
    upload_s: int = 300
    max_uploads: int = 64
    per_minute: int = 30
    max_waiting: int = 500
    max_stored_mb: int = 10_000
    max_reports_mb: int = 10_000
    timeout_s: int = 300
    max_seconds: int = 600
    keep_hours: int = 24

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "folder" and value < 1:
                raise ValueError(f"{field.name} is {value}; it must be 1 or more")

    @property
    def uploads(self) -> pathlib.Path:
        """Where uploads lie until they are judged."""
        return self.folder / "uploads"
