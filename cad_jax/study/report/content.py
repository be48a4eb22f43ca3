"""The page's sections, in their order. Every table is the one that `study.py` prints."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cad_jax.settings.protocol import Protocol
from cad_jax.study.figures import Difference, Row, compare, table_rows
from cad_jax.study.lines import (
    LEGEND,
    code_warnings,
    difference_cells,
    group_tables,
    metric_name,
    p_legend,
    seeds_text,
    variant_columns,
    with_spread,
)
from cad_jax.study.operating import operating_rows
from cad_jax.study.report.embedding import embedding_blocks
from cad_jax.study.report.hardest import hardest, middle_frames, mistake_cells
from cad_jax.study.report.plots import ablation_plot, curve_plots, reliability_plot
from cad_jax.study.report.runs import Runs, audit_blocks, repeat_blocks, training_blocks
from cad_jax.study.systems import System
from data_pipelines.documents.blocks import (
    Block,
    Gallery,
    Heading,
    Picture,
    Plots,
    Table,
    Text,
)
from data_pipelines.errors import UserError


class Study(NamedTuple):
    """What a page is made of.

    Attributes:
        choice: the protocol, as the command line names it.
        name, protocol: of it.
        folders: of the study's parts.
        runs: every result, with its store.
        systems: every variant of which there are results; never none.
    """

    choice: str
    name: str
    protocol: Protocol
    folders: Sequence[pathlib.Path]
    runs: Runs
    systems: Sequence[System]

    @property
    def main(self) -> System:
        """The variant that the others are held against: `full`, where it was run."""
        return next((one for one in self.systems if one.variant == "full"), self.systems[0])


def report_blocks(study: Study) -> list[Block]:
    """The whole page."""
    protocol, systems = study.protocol, study.systems
    metric = protocol.metrics[0]
    rows = table_rows(systems, protocol.metrics, draws=protocol.draws)
    blocks: list[Block] = [Heading(f"Study: {study.name}", 1), *_headline(study, rows)]
    blocks += [Heading("By test"), *_tables(rows)]
    for by, title in (("quadrants", "By quadrant"), ("kinds", "By kind of forgery")):
        blocks += [Heading(title), *_groups(study, by, metric)]
    blocks += [Heading("Across sets"), *_sets(study, metric)]
    blocks += [Heading("Ablation"), *_ablation(study, metric)]
    blocks += [Heading("Curves"), *(Plots(curve_plots(systems, s)) for s in study.main.splits)]
    blocks += [Heading("Calibration and operating points"), *_calibration(study)]
    blocks += [Heading("Training"), *training_blocks(study.runs)]
    blocks += [Heading("Embeddings"), *_embeddings(study)]
    blocks += [Heading("Hardest clips"), *_hardest(study)]
    blocks += [Heading("Warnings of the audit"), *audit_blocks(study.runs[0][1])]
    repeat = repeat_blocks(study.choice, protocol, study.folders, study.runs)
    return [*blocks, Heading("How to repeat this"), *repeat]


def _headline(study: Study, rows: Sequence[Row]) -> Iterator[Block]:
    for row in rows:
        if row.variant == study.main.variant:
            name, figure = next(iter(row.figures.items()))
            yield Text(
                f"{row.variant} on {row.split}: {metric_name(name)} {with_spread(figure)}, "
                f"{row.clips} {study.protocol.unit}s of {row.people} people",
                "headline",
            )
    yield Text(f"Figures: {LEGEND}; {seeds_text(study.systems)}.")
    for warning in code_warnings(study.systems):
        yield Text(warning, "warning")
    wanted = [(name, seed) for name in study.protocol.trained() for seed in study.protocol.seeds]
    done = {(result.variant, result.seed) for _, result in study.runs}
    if todo := [f"{name} seed {seed}" for name, seed in wanted if (name, seed) not in done]:
        yield Text(f"Not run, of what the protocol asks for: {', '.join(todo)}", "warning")


def _tables(rows: Sequence[Row]) -> Iterator[Block]:
    for title, cells in group_tables(rows):
        yield Heading(title, 3)
        yield Table(cells)


def _groups(study: Study, by: str, metric: str) -> Iterator[Block]:
    rows = table_rows(study.systems, (metric,), by, study.protocol.draws)
    if rows:
        yield Text("Each against genuine clips alone.")
        yield Table(variant_columns(rows, metric))
    else:
        yield Text("No clip is known to be forged in this way.")


def _sets(study: Study, metric: str) -> Iterator[Block]:
    rows = table_rows(study.systems, (metric,), "datasets", study.protocol.draws)
    if len({row.group for row in rows}) < 2:
        yield Text("One set: there is nothing to compare across.")
        return
    trained = [v for k, v in study.runs[0][1].inputs.items() if k.startswith("data train")]
    yield Text(f"Trained on {'; '.join(trained)}. Tested on:")
    yield Table(variant_columns(rows, metric))


def _ablation(study: Study, metric: str) -> Iterator[Block]:
    others = [one for one in study.systems if one is not study.main]
    if not others:
        yield Text("One variant: there is nothing to compare.")
        return
    draws = study.protocol.draws
    # One metric alone: what p can be at best grows with the number of differences.
    found = compare(study.main, others, (metric,), draws=draws)
    by_split: dict[str, list[Difference]] = {}
    for one in found:
        by_split.setdefault(one.split, []).append(one)
    yield Plots([ablation_plot(of) for of in by_split.values()])
    least = min(1.0, len(found) * 2 / (draws + 1))
    yield Text(f"{p_legend(found)}. Of {draws} draws no p (Holm) can be below {least:.3f}.")
    yield Table(difference_cells(found))


def _calibration(study: Study) -> Iterator[Block]:
    rows = operating_rows(study.systems, draws=study.protocol.draws)
    yield Plots(
        [
            reliability_plot(study.main, row.split, with_spread(row.figures["ECE"]))
            for row in rows
            if row.variant == study.main.variant
        ]
    )
    yield Text("Thresholds, calibrations and sets of labels are chosen on validation.")
    yield from _tables(rows)


def _embeddings(study: Study) -> Iterator[Block]:
    wanted = (study.main.variant, study.main.seeds[0])
    for store, result in study.runs:
        if (result.variant, result.seed) == wanted:
            yield from embedding_blocks(store, result)
            return
    yield Text(f"{study.main.variant} was not trained: it has no representation of its own.")


def _hardest(study: Study) -> Iterator[Block]:
    system, result = study.main, study.runs[0][1]
    yield Text(
        f"The largest confident mistakes of {system.variant}: half of the seeds or more are "
        "wrong, and their mean verdict p_fake is furthest from the truth."
    )
    for split in system.splits:
        yield Heading(split, 3)
        if not (mistakes := hardest(system, split)):
            yield Text("None.")
            continue
        yield Table(mistake_cells(mistakes, len(system.seeds)))
        names, unit = [one.clip_id for one in mistakes], study.protocol.unit
        try:
            frames = dict(middle_frames(result, split, names, unit))
        except UserError as error:
            yield Text(f"Without pictures, the records are not at hand: {error}")
            continue
        yield Gallery(
            [
                Picture(frames[one.clip_id], f"{one.truth}, p_fake {one.scores['p_fake']:.3f}: "
                        f"{one.clip_id}")
                for one in mistakes if one.clip_id in frames
            ]
        )  # fmt: skip
