"""Scores a split as it is, corrupted in every way, and with its sound early or late.

Owns what is scored and the folder of score tables, from which all figures are made: a table that is
there is not made again. Knows no metric; see `robustness_figures` and `robustness_page`.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import av
import numpy as np

from cad_jax.evaluation.evaluate import score_table
from cad_jax.evaluation.score_table import ScoreTable, read_scores, write_scores
from cad_jax.run.code import code_hash
from cad_jax.run.initialise import pin_of
from cad_jax.run.placement import LoadedRun
from cad_jax.run.scoring import Scorer, make_scorer
from data_pipelines.corruptions.registry import KINDS, SEVERITIES
from data_pipelines.errors import UserError, nearest
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.views import Corrupted, Delayed, View, centred
from data_pipelines.records.atomic import write_json
from data_pipelines.records.clip import FAKE, IN_SYNC, OUT_OF_SYNC

CLEAN, DELAY = "clean", "delay"
DELAYS_MS = tuple(range(-500, 501, 50))
SCORES, MADE_OF = "scores", "made_of.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        kinds: of `corruptions.registry`, and `delay`.
        severities: of the corruptions, 1 to 5.
        clips: how many clips are corrupted, drawn once; 0 for all. Delays take all in sync.

    Raises:
        UserError: no such kind or severity, or none at all; FFmpeg lacks an encoder; `clips` is
            negative.
    """

    kinds: tuple[str, ...] = (*KINDS, DELAY)
    severities: tuple[int, ...] = SEVERITIES
    clips: int = 0

    def __post_init__(self) -> None:
        if not self.kinds or not self.severities:
            raise UserError("no kinds, or no severities: leave the flag out for all of them")
        for kind in self.kinds:
            if kind not in (*KINDS, DELAY):
                raise UserError(f"no corruption {kind!r}: {nearest(kind, (*KINDS, DELAY))}")
        if self.clips < 0:
            raise UserError(f"clips is {self.clips}; it must be a number of clips, 0 for all")
        _ = self.corruptions

    @property
    def corruptions(self) -> dict[str, View]:
        """How the corrupted clips are seen, by the names of their tables; unchanged first."""
        kinds = [kind for kind in self.kinds if kind != DELAY]
        found: dict[str, View] = {CLEAN: centred} if kinds else {}
        for kind in kinds:
            found |= {table_name(kind, level): Corrupted(kind, level) for level in self.severities}
        return found

    @property
    def delays(self) -> dict[str, View]:
        """The same of those out of sync."""
        if DELAY not in self.kinds:
            return {}
        return {table_name(DELAY, delay): Delayed(delay) for delay in DELAYS_MS}


def table_name(kind: str, level: int) -> str:
    """Of the scores of one severity, or of one delay in milliseconds: `h264-3`, `delay+0050`."""
    return f"{DELAY}{level:+05d}" if kind == DELAY else f"{kind}-{level}"


def score_corrupted(
    run: LoadedRun, source: TFRecordSource, plan: Plan, output: pathlib.Path
) -> dict[str, ScoreTable]:
    """Scores what is asked for and not yet there; each table is kept as soon as it is made.

    Args:
        run: whose detector is judged.
        source: the split's clips.
        plan: what is asked for.
        output: the folder of the tables.

    Returns:
        Every table in the folder, by name: also those of earlier commands.

    Raises:
        UserError: the folder holds scores of other parameters, clips or corruptions; a score is
            not finite.
    """
    chosen = _chosen(source, plan.clips)
    _refuse_others(output, _made_of(run, source, chosen))
    scorer = make_scorer(run.config, run.mesh)
    _score(scorer, run, chosen, plan.corruptions, output)
    _score(scorer, run, _in_sync(source), plan.delays, output)
    return {path.stem: read_scores(path) for path in sorted((output / SCORES).glob("*.csv"))}


def _chosen(source: TFRecordSource, count: int) -> TFRecordSource:
    """So many clips, in the source's order, the same ones each time."""
    if not 0 < count < len(source):
        return source
    drawn = np.random.default_rng(0).choice(len(source), count, replace=False)
    return source.subset(np.sort(drawn))


def _in_sync(source: TFRecordSource) -> TFRecordSource:
    rows = np.flatnonzero(source.column("label_sync") == IN_SYNC)
    if not len(rows):
        raise UserError(f"{source!r} has no clip in sync: leave {DELAY} out of --kinds")
    return source.subset(rows)


def _score(
    scorer: Scorer,
    run: LoadedRun,
    source: TFRecordSource,
    views: Mapping[str, View],
    output: pathlib.Path,
) -> None:
    places = {name: output / SCORES / f"{name}.csv" for name in views}
    missing = [name for name in views if not places[name].exists()]
    if not missing:
        return
    title = f"{missing[0]} to {missing[-1]}"
    asked: Sequence[View] = [views[name] for name in missing]
    made = scorer.views(run.params, source, asked, title)
    for name, view, scores in zip(missing, asked, made, strict=True):
        write_scores(_relabelled(score_table(source, scores), view), places[name])


def _relabelled(table: ScoreTable, view: View) -> ScoreTable:
    """Clips in sync whose sound was moved are out of sync; a corruption changes no label."""
    if not isinstance(view, Delayed) or not view.milliseconds:
        return table
    return dataclasses.replace(
        table,
        label=np.full(len(table), FAKE, np.int32),
        label_sync=np.full(len(table), OUT_OF_SYNC, np.int32),
        sync_delay_ms=np.full(len(table), float(view.milliseconds)),
    )


def _made_of(run: LoadedRun, source: TFRecordSource, chosen: TFRecordSource) -> dict[str, str]:
    """All that the tables depend on, by content."""
    return {
        "parameters": pin_of(run),
        "split": source.fingerprint,
        "corrupted clips": chosen.fingerprint,
        "corruptions": code_hash("data_pipelines/corruptions"),
        "PyAV": av.__version__,
    }


def _refuse_others(output: pathlib.Path, found: Mapping[str, str]) -> None:
    (output / SCORES).mkdir(parents=True, exist_ok=True)
    file = output / MADE_OF
    if not file.exists():
        return write_json(dict(found), file)
    try:
        before = json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file} is damaged ({error}): name another --output") from None
    for name in _different(before, found):
        raise UserError(f"{output} holds scores of other {name}: name another --output")
    return None


def _different(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    yield from (name for name in new if old.get(name) != new[name])
