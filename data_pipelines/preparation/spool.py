"""What is done so far: a small file of facts a clip, its records beside it until they are sharded.

Owns the working folder inside the output and the fingerprint that says what it belongs to. A clip
counts as done when its facts are there; they are written after its records.
"""

import dataclasses
import hashlib
import json
import pathlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.media.errors import Reason
from data_pipelines.media.face import MODEL_SHA256
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.atomic import atomic_writer, write_json
from data_pipelines.records.metadata import INFO_FILE, PREPARATION_FILE
from data_pipelines.records.tfrecord import ShardSummary, write_shard

FORMAT = 6  # raise it when the same settings come to mean other bytes
PART_BYTES = 128 * 2**20  # records of one clip beyond this go to several files


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a clip.

    Attributes:
        parts: records and payload bytes of each file of records, in order.
        seconds: of media prepared.
        stages: seconds of work by stage.
        reason: why it was skipped, a `Reason`; empty if it was not.
        detail: the reason in words.
    """

    parts: tuple[ShardSummary, ...] = ()
    seconds: float = 0.0
    stages: dict[str, float] = dataclasses.field(default_factory=dict)
    reason: Reason | Literal[""] = ""
    detail: str = ""

    @property
    def final(self) -> bool:
        """False for what is as likely the machine's fault as the clip's: worth another try."""
        return self.reason not in ("timeout", "crashed")


class Spool:
    """The working folder of an output folder; picklable, so that workers write to it themselves."""

    def __init__(self, output: pathlib.Path) -> None:
        self.folder = output / ".work"

    def absolute(self) -> "Spool":
        """The same for processes that start elsewhere."""
        return Spool(self.folder.parent.absolute())

    def part(self, clip: int, number: int) -> pathlib.Path:
        """The file with a clip's records, number `number`."""
        return self.folder / f"{clip:08d}-{number:04d}.tfrecord"

    def write_parts(self, clip: int, payloads: Iterable[bytes]) -> tuple[ShardSummary, ...]:
        """Writes a clip's records as they come, all or none; holds one at a time.

        Two attempts at one clip, on two machines of a cluster, may run at once: each writes to
        names of its own, and the last one to finish replaces the other's equal bytes.
        """
        iterator = iter(payloads)
        summaries: list[ShardSummary] = []
        drafts: list[pathlib.Path] = []
        try:
            for payload in iterator:
                drafts.append(_draft(self.part(clip, len(drafts))))
                summaries.append(write_shard(drafts[-1], _until_full(payload, iterator)))
        except BaseException:
            for draft in drafts:
                draft.unlink(missing_ok=True)
            raise
        for number, draft in enumerate(drafts):
            draft.replace(self.part(clip, number))
        return tuple(summaries)

    def write_outcome(self, clip: int, outcome: Outcome) -> None:
        """Marks a clip as done."""
        draft = _draft(self._facts(clip))
        with atomic_writer(draft) as write:
            write(json.dumps(dataclasses.asdict(outcome), sort_keys=True).encode())
        draft.replace(self._facts(clip))

    def read_outcome(self, clip: int) -> Outcome | None:
        """What became of a clip; None if that is not known yet, or no longer: a damaged file."""
        try:
            facts = json.loads(self._facts(clip).read_bytes())
            parts = tuple(ShardSummary(**part) for part in facts.pop("parts"))
            return Outcome(parts=parts, **facts)
        except (FileNotFoundError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def forget(self, clip: int) -> None:
        """Makes a clip be prepared again."""
        self._facts(clip).unlink(missing_ok=True)

    def _facts(self, clip: int) -> pathlib.Path:
        return self.folder / f"{clip:08d}.json"


def fingerprint(sources: Sequence[ClipSource], settings: PrepareSettings) -> str:
    """A hash of everything that decides the records' bytes, but for the media's content itself."""
    facts = {
        "format": FORMAT,
        "models": MODEL_SHA256,
        "settings": dataclasses.asdict(settings),
        "sources": [_source_facts(source) for source in sources],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def claim(output: pathlib.Path, mark: str) -> None:
    """Makes the output folder, or checks that it belongs to the same preparation.

    Raises:
        UserError: as `belongs`.
        OSError: it cannot be made or written to.
    """
    output.mkdir(parents=True, exist_ok=True)
    if not belongs(output, mark):
        write_json({"fingerprint": mark}, output / PREPARATION_FILE)
    (output / ".work").mkdir(exist_ok=True)


def belongs(output: pathlib.Path, mark: str) -> bool:
    """Has this preparation begun in the folder? False where nothing has.

    Raises:
        UserError: it holds another preparation or another data set.
    """
    file = output / PREPARATION_FILE
    if file.exists():
        try:
            found = json.loads(file.read_bytes())["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged; remove {output} or choose another") from error
        if found != mark:
            raise UserError(
                f"{output} holds a preparation of another format of records, with other settings "
                "or of another list of clips; choose another output folder or remove it"
            )
        return True
    if (output / INFO_FILE).exists():
        raise UserError(f"{output} already holds a data set; choose another output folder")
    return False


def _draft(path: pathlib.Path) -> pathlib.Path:
    """A name that no other attempt takes; what a killed one leaves goes with the folder."""
    return path.with_name(f"draft-{secrets.token_hex(8)}-{path.name}")


def _until_full(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """`first` and as many more as it takes to reach `PART_BYTES`."""
    size = len(first)
    yield first
    while size < PART_BYTES:
        payload = next(rest, None)
        if payload is None:
            return
        size += len(payload)
        yield payload


def _source_facts(source: ClipSource) -> dict[str, object]:
    facts = {field.name: getattr(source, field.name) for field in dataclasses.fields(source)}
    # Not the paths: a folder may move between two runs.
    sizes = {name: _sizes(getattr(source, name)) for name in ("path", "audio_path")}
    return {**facts, **sizes, "provenance": dict(source.provenance)}


def _sizes(path: pathlib.Path | None) -> list[int]:
    """The file's size, or those of a folder's files by name; -1 for one that is not there."""
    if path is None:
        return []
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file.stat().st_size if file.exists() else -1 for file in files]
