"""A bundle's model card: what the detector is, what it learnt from, its figures and its limits.

Every figure is read from the run's own files or was measured when the bundle was made; none stands
here. Knows nothing of how they are made.
"""

import json
import pathlib
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cad_jax.bundle.operating import Operating
from cad_jax.evaluation.evaluate import metrics_file
from cad_jax.evaluation.score_table import HEADS
from cad_jax.evaluation.summary import with_interval
from cad_jax.run.code import code_hash
from cad_jax.run.placement import LoadedRun
from data_pipelines.documents.blocks import Block, Cells, Commands, Heading, Table, Text
from data_pipelines.documents.markdown import markdown_page


class Declined(NamedTuple):
    """What the domain leaves out of a split.

    Attributes:
        split: its name.
        windows: how many it has.
        beyond: of them beyond the domain's limit.
    """

    split: str
    windows: int
    beyond: int


class CardFacts(NamedTuple):
    """What a card speaks of; see `make.write_bundle` and `files.LoadedBundle`.

    `contents`: of the calibration sets, by split, as `data.describe_split` says it.
    """

    workdir: pathlib.Path
    folder: pathlib.Path
    run: LoadedRun
    calibration: tuple[pathlib.Path, ...]
    contents: tuple[str, ...]
    operating: Operating
    declined: tuple[Declined, ...]
    notice: str
    commit: str


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    return markdown_page([*_what(facts), *_data(facts), *_figures(facts), *_reading(facts)])


def _what(facts: CardFacts) -> Iterator[Block]:
    config, params = facts.run.config, facts.run.params
    clip = config.data.clip
    yield Heading(f"Model card: {facts.folder.name}", 1)
    yield Text(f"{facts.notice[0].upper()}{facts.notice[1:]}.", "warning")
    yield Text(
        "CAD, Cross-modal Alignment and Distillation (arXiv 2505.15233): says of a window of "
        f"{clip.seconds:g} s, by {clip.frames} face crops of {clip.image_size} pixels and the "
        "sound, whether picture or sound is forged and whether the two belong together. "
        f"{sum(x.size for x in params.values()) / 1e6:.2f} M parameters, step {facts.run.step}."
    )
    yield Heading("Limits")
    yield Text(
        "It knows the ways of forging that its training sets hold and no others. Input beyond its "
        "domain (below) is to be answered with 'cannot tell'; input within it may be misjudged all "
        "the same, and intervals below only say how well it does on test clips of its own sets. "
        "Not a basis for any decision about a person."
    )


def _data(facts: CardFacts) -> Iterator[Block]:
    computed = facts.run.config.computed
    yield Heading("Data")
    yield Text("Trained on, with hashes of records and preparation:")
    yield Table(_content_cells(computed.data))


def _content_cells(described: Sequence[str]) -> Cells:
    return [["set", "content"], *(of.split(": ", 1) for of in described)]


def _figures(facts: CardFacts) -> Iterator[Block]:
    data = facts.run.config.data
    yield Heading("Figures")
    for split in dict.fromkeys((data.validation_split, *data.test_splits)):
        path = metrics_file(facts.workdir, split)
        yield Heading(split, 3)
        if path.is_file():
            videos = json.loads(path.read_bytes())["videos"]
            yield Text(f"AUC of whole videos with 95 % intervals over people, from {path}:")
            yield Table(list(_auc_cells(videos)))
        else:
            yield Text(f"Not evaluated: there is no {path}.")
    yield Text(
        f"Trained by the program {facts.run.config.computed.code[:12]}; scored again and bundled "
        f"by {code_hash()[:12]}, commit {facts.commit or 'unknown'}:"
    )
    yield Commands(
        [
            f"cad-evaluate --workdir={shlex.quote(str(facts.workdir))}",
            f"python scripts/bundle.py --run={shlex.quote(str(facts.workdir))} "
            + "".join(f"--calibration={shlex.quote(str(of))} " for of in facts.calibration)
            + f"--output={shlex.quote(str(facts.folder))}",
        ]
    )


def _auc_cells(videos: dict[str, Any]) -> Iterator[list[str | int]]:
    yield ["", "forged", "genuine", *HEADS]
    for name, of in ({"all": videos["overall"]} | videos["quadrants"]).items():
        fused = of["p_fake"]
        cells = [with_interval(of[head], "auc") if head in of else "" for head in HEADS]
        yield [name, fused["fakes"], fused["clips"] - fused["fakes"], *cells]


def _reading(facts: CardFacts) -> Iterator[Block]:
    operating = facts.operating
    yield Heading("How its answers are to be read")
    yield Text(
        "Fitted on validation clips: temperatures, and calibrated probabilities from which on at "
        "most the given share of genuine clips would be called forged. A rate of which these are "
        "too few to tell has none. Beyond the lowest, the rate falls at least by e^tail where the "
        "odds rise by e."
    )
    if facts.contents:
        yield Text("Clips of people whom it has not seen count as validation clips, too:")
        yield Table(_content_cells(facts.contents))
    yield Table(_threshold_cells(operating))
    yield Heading("Domain")
    yield Text(
        "Mahalanobis distance of a window's features, of which validation says the limit. Windows "
        "beyond it:"
    )
    yield Table([["split", "windows", "beyond"], *map(list, facts.declined)])


def _threshold_cells(operating: Operating) -> Cells:
    rates = sorted({rate for pairs in operating.thresholds.values() for rate, _ in pairs})
    head = ["head", "genuine clips", "temperature", *(f"at {rate:.0%}" for rate in rates), "tail"]
    rows = []
    for name, pairs in operating.thresholds.items():
        scores = dict(pairs)
        cells = [f"{scores[rate]:.3f}" if rate in scores else "-" for rate in rates]
        temperature = f"{operating.temperatures[name]:.3f}"
        tail = f"{operating.tails[name]:.2f}" if name in operating.tails else "-"
        rows.append([name, operating.genuine[name], temperature, *cells, tail])
    return [head, *rows]
