"""Verdicts on many files as Parquet: a killed run goes on, and no file is judged twice.

While files are judged their verdicts lie in a journal beside the result, a line a file; when all
are judged they become the result, whole or not at all, together with those that it held before.
"""

import contextlib
import itertools
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cad_jax.verdicts.schema import MODALITIES, FileVerdict
from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_path
from data_pipelines.records.lock import held

_ROWS = 10_000  # of a row group; what is in memory at once
_RANGE = pa.struct([
    ("start_s", pa.float64()), ("end_s", pa.float64()), ("score", pa.float64()),
    ("modality", pa.string()),
])  # fmt: skip
SCHEMA = pa.schema([
    ("file", pa.string()), ("verdict", pa.string()), ("score", pa.float64()),
    *((f"{name}_verdict", pa.string()) for name in MODALITIES),
    *((f"{name}_score", pa.float64()) for name in MODALITIES),
    ("sync_offset_ms", pa.float64()), ("duration_s", pa.float64()), ("sha256", pa.string()),
    ("reasons", pa.list_(pa.string())), ("ranges", pa.list_(_RANGE)),
    ("model", pa.string()), ("model_sha256", pa.string()), ("json", pa.string()),
])  # fmt: skip


class Results:
    """The verdicts of one output; use `open_results`.

    Attributes:
        output: the Parquet file.
        done: files that are judged.
    """

    def __init__(self, output: pathlib.Path, model_sha256: str) -> None:
        self.output = output
        self._journal = output.with_name(f"{output.name}.journal")
        _drop_torn_line(self._journal)
        self.done: set[str] = set()
        for verdict in self.verdicts():
            if verdict["model"]["sha256"] != model_sha256:
                raise UserError(
                    f"{output} has verdicts of another model, {verdict['model']['name']}; "
                    "choose another --output, or remove it"
                )
            self.done.add(verdict["file"])

    def verdicts(self) -> Iterator[dict[str, Any]]:
        """All so far, each file once, as JSON."""
        seen: set[str] = set()
        for line in itertools.chain(_finished(self.output), _begun(self._journal)):
            verdict = json.loads(line)
            if verdict["file"] not in seen:
                seen.add(verdict["file"])
                yield verdict

    def add(self, verdicts: Iterable[FileVerdict]) -> None:
        """Judges on: each verdict is kept as soon as it is known; all then become the result.

        Raises:
            OSError: they cannot be written.
        """
        with self._journal.open("a", encoding="utf-8") as journal:
            for verdict in verdicts:
                journal.write(json.dumps(verdict.to_json(), allow_nan=False) + "\n")
                journal.flush()
        rows = map(_row, self.verdicts())
        with atomic_path(self.output) as partial, pq.ParquetWriter(partial, SCHEMA) as writer:
            while group := list(itertools.islice(rows, _ROWS)):
                writer.write_table(pa.Table.from_pylist(group, SCHEMA))
        self._journal.unlink()


@contextlib.contextmanager
def open_results(output: pathlib.Path, model_sha256: str) -> Iterator[Results]:
    """The results of an output file, begun or not, which no other process adds to meanwhile.

    Raises:
        UserError: another process is at it, it holds another model's verdicts, or is no such file.
        OSError: it cannot be written.
    """
    with held(output.with_name(f".{output.name}.lock"), busy=f"{output} is being written"):
        yield Results(output, model_sha256)


def _finished(output: pathlib.Path) -> Iterator[str]:
    """The verdicts of a result, as lines of JSON."""
    if not output.exists():
        return
    try:
        with pq.ParquetFile(output) as file:
            for batch in file.iter_batches(_ROWS, columns=["json"]):
                yield from batch.column(0).to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{output} holds no verdicts; choose another --output") from error


def _begun(journal: pathlib.Path) -> Iterator[str]:
    if journal.exists():
        with journal.open(encoding="utf-8") as lines:
            yield from lines


def _drop_torn_line(journal: pathlib.Path) -> None:
    """A process that is killed may leave the last line half written."""
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        whole = 0
        for line in file:
            whole += len(line) if line.endswith(b"\n") else 0
        file.truncate(whole)


def _row(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict as a row of `SCHEMA`."""
    parts = {
        f"{name}_{key}": verdict["modalities"].get(name, {}).get(key)
        for name in MODALITIES
        for key in ("verdict", "score")
    }
    others = {
        "reasons": [reason["code"] for reason in verdict["reasons"]],
        "model": verdict["model"]["name"],
        "model_sha256": verdict["model"]["sha256"],
        "json": json.dumps(verdict, allow_nan=False),
    }
    plain = {name: verdict[name] for name in SCHEMA.names if name in verdict}
    return plain | parts | others
