"""The results of a study: `results.jsonl`, one line for each finished run.

Owns the file's form. A line says all that a figure depends on; the scores themselves lie in the
run's folder and are believed where their hash is the recorded one.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from cad_jax.settings.structure import ConfigError, structure, unstructure
from cad_jax.study.inputs import first_difference
from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.content import file_sha256

RESULTS_FILE = "results.jsonl"


@dataclasses.dataclass(frozen=True)
class ScoreFile:
    """The scores of one split.

    Attributes:
        split: its name.
        path: of the table, relative to the study's folder.
        sha256: of the file.
    """

    split: str
    path: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Result:
    """One finished run.

    Attributes:
        protocol: its name.
        variant, seed: which of its runs.
        configuration: hash of the settings that change a result.
        code: hash of the program.
        inputs: hashes of data, splits and weights, see `inputs.describe_inputs`.
        hardware: what it ran on.
        seconds: of each of the training's phases, over all starts, and of the last `process`.
        scores: of validation, which comes first, and of each test split.
        metrics: the evaluation's own figures of whole videos, by split.
        config: all settings.
    """

    protocol: str
    variant: str
    seed: int
    configuration: str
    code: str
    inputs: dict
    hardware: str
    seconds: dict
    scores: tuple[ScoreFile, ...]
    metrics: dict
    config: dict

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.variant} seed {self.seed}"


class Store:
    """The results in a study's folder.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._file = folder / RESULTS_FILE

    def read(self) -> list[Result]:
        """All results, in the order in which they were found.

        Raises:
            UserError: a line is no result.
        """
        if not self._file.exists():
            return []
        found = []
        for number, line in enumerate(self._file.read_text().splitlines(), 1):
            try:
                found.append(structure(Result, json.loads(line), "result"))
            except (ValueError, ConfigError) as error:
                raise UserError(f"{self._file}:{number} is no result: {error}") from None
        return found

    def add(self, result: Result) -> None:
        """Keeps one more; the file is whole at every moment. One process writes.

        Raises:
            OSError: it cannot be written.
        """
        lines = self._file.read_text() if self._file.exists() else ""
        line = json.dumps(unstructure(result), allow_nan=False)
        with atomic_writer(self._file) as write:
            write(f"{lines}{line}\n".encode())

    def score_file(self, split: str, path: pathlib.Path) -> ScoreFile:
        """A file of scores, by content.

        Raises:
            OSError: it cannot be read.
        """
        return ScoreFile(split, path.relative_to(self.folder).as_posix(), file_sha256(path))

    def find_scores(self, result: Result, scores: ScoreFile) -> pathlib.Path:
        """Where a result's scores lie.

        Raises:
            UserError: they are not there, or not what they were.
        """
        path = self.folder / scores.path
        if not path.is_file() or file_sha256(path) != scores.sha256:
            raise UserError(
                f"{path}: the scores of {result.name} are gone or were changed; remove its line "
                f"from {self._file} and run the study again"
            )
        return path


def run_folder(study: pathlib.Path, variant: str, seed: int) -> pathlib.Path:
    """Where a run of a study works."""
    return study / variant / f"seed-{seed}"


def read_runs(folders: Sequence[pathlib.Path]) -> list[tuple[Store, Result]]:
    """All results of one study, perhaps made in parts on several machines, each with its store.

    Raises:
        UserError: there are none; a line is no result.
    """
    runs = [(store, result) for store in map(Store, folders) for result in store.read()]
    if not runs:
        raise UserError(f"no results in {', '.join(map(str, folders))}: run the study first")
    return runs


def refuse_other_inputs(results: Sequence[Result]) -> None:
    """Results are of one study where all were made of the same data, splits and weights.

    Raises:
        UserError: two were not; names both and the first difference.
    """
    for result in results[1:]:
        if different := first_difference(results[0].inputs, result.inputs):
            raise UserError(
                f"not the same study: of {results[0].name} and {result.name} {different}; "
                "compare results of one set, split, preparation and weights"
            )
