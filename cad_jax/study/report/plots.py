"""What a study's page draws. Owns everything Matplotlib, which is slow to import."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from scipy import special

from cad_jax.settings.protocol import LATE
from cad_jax.study.figures import Difference
from cad_jax.study.lines import metric_name, p_text, with_spread
from cad_jax.study.systems import Scored, System
from cad_jax.telemetry.history import Curve
from data_pipelines.documents.blocks import Plot
from data_pipelines.documents.svg import drawing, to_svg
from data_pipelines.metrics.calibration import calibration_bins
from data_pipelines.metrics.counts import ScoreCounts, count_scores
from data_pipelines.metrics.ranking import precision_recall, roc

Line = Float[np.ndarray, " g"]

# Where curves of several seeds are averaged: dense at low rates, which DET curves stretch.
GRID = np.unique(np.concatenate([np.geomspace(1e-3, 0.1, 60), np.linspace(0, 1, 201)]))
_SIZE = (3.4, 3.6)  # inches, of a curve: three stand side by side, one fills a phone's width
_COLOURS = [f"C{number}" for number in range(10) if number != 7]  # that one is grey
_DET_TICKS = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)


def curve_plots(systems: Sequence[System], split: str) -> list[Plot]:
    """ROC, precision-recall and DET of every variant: the mean of its seeds' curves."""
    rates = {one.variant: mean_curve(one.splits[split], roc_on_grid) for one in systems}
    precisions = {one.variant: mean_curve(one.splits[split], precision_on_grid) for one in systems}

    def det(axes: Axes) -> None:
        ticks = special.ndtri(np.array(_DET_TICKS)).tolist()
        names = [f"{tick:.0%}" for tick in _DET_TICKS]
        limits = tuple(special.ndtri(np.array([0.005, 0.995])).tolist())
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set(xlim=limits, ylim=limits)

    def probit(rate: Line) -> Line:
        return special.ndtri(np.clip(rate, 1e-4, 1 - 1e-4))

    missed = {name: probit(1 - rate) for name, rate in rates.items()}
    of = f"of {split}, mean over seeds at the same"
    return [
        _curves(GRID, rates, f"ROC {of} rate", ("false positive rate", "true positive rate")),
        _curves(GRID, precisions, f"Precision and recall {of} recall", ("recall", "precision")),
        _curves(probit(GRID), missed, f"DET {of} rate", ("false positive rate", "miss rate"), det),
    ]


def mean_curve(runs: Sequence[Scored], curve: Callable[[ScoreCounts], Line]) -> Line:
    """The mean over runs of a curve on `GRID`."""
    known = [run.test.select(run.test.labelled) for run in runs]
    return np.mean([curve(count_scores(table.label, table.p_fake)) for table in known], axis=0)


def roc_on_grid(counts: ScoreCounts) -> Line:
    """True positive rates at the false positive rates of `GRID`; straight between two points."""
    found = roc(counts)
    return np.interp(GRID, found.fpr, found.tpr)  # where the curve rises straight up, its top


def precision_on_grid(counts: ScoreCounts) -> Line:
    """Precision of the highest threshold that reaches each recall of `GRID`; not interpolated."""
    found = precision_recall(counts)
    if not counts.fakes:
        return np.full(len(GRID), np.nan)
    return found.precision[np.searchsorted(found.recall, GRID)]


def reliability_plot(system: System, split: str, error: str) -> Plot:
    """What share of units is forged where the verdict promises so much, a line a seed.

    Args:
        system: the variant.
        split: of its tests.
        error: its calibration error, as text.
    """
    with drawing(*_SIZE) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.6", linestyle=":")
        for seed, run in zip(system.seeds, system.splits[split], strict=True):
            known = run.test.select(run.test.labelled)
            bins = calibration_bins(count_scores(known.label, known.p_fake))
            promised, found = bins.expected / bins.clips, bins.fakes / bins.clips
            (line,) = axes.plot(promised, found, linewidth=0.8, label=f"seed {seed}")
            sizes = 300 * bins.clips / max(bins.clips.sum(), 1)
            axes.scatter(promised, found, sizes, color=line.get_color(), alpha=0.6)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set(xlabel="mean probability of a bin", ylabel="share of forged")
        axes.legend(loc="upper left", fontsize=7)
        caption = f"Reliability of {system.variant} on {split}; dots grow with their units. "
        return Plot(to_svg(figure), f"{caption}ECE {error}")


def ablation_plot(differences: Sequence[Difference]) -> Plot:
    """The differences of one metric on one test, with intervals and corrected p."""
    first, metric, split = differences[0].first, differences[0].metric, differences[0].split
    with drawing(5.2, 0.9 + 0.3 * len(differences)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color="0.5", linewidth=0.8)
        for place, one in enumerate(differences):
            (low, high), mean = one.figure.interval, one.figure.mean
            axes.barh(place, mean, height=0.55, color="tab:blue", alpha=0.45)
            axes.plot([low, high], [place, place], color="black", marker="|", markersize=6)
            text = f"{with_spread(one.figure, sign=True).split()[0]}  p {p_text(one.p_holm)}"
            axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center")
        axes.set_yticks(range(len(differences)), [f"less {one.other}" for one in differences])
        axes.set(ylim=(len(differences) - 0.5, -0.5), xlabel=f"difference in {metric_name(metric)}")
        caption = f"{first} less each other on {split}: bars, 95 % intervals over people, p (Holm)"
        return Plot(to_svg(figure), caption)


def training_plot(name: str, histories: Mapping[str, Iterable[Curve]]) -> Plot:
    """One logged figure over the steps of every run.

    Args:
        name: of the figure.
        histories: the curves of each variant's seeds.
    """
    styles = _styles(histories)
    with drawing(*_SIZE) as figure:
        axes = figure.subplots()
        for variant, curves in histories.items():
            for number, curve in enumerate(curves):
                label = None if number else variant
                axes.plot(
                    *curve.T,
                    **styles[variant],
                    label=label,
                    marker=".",
                    markersize=3,
                    linewidth=0.9,
                )
        axes.set(xlabel="step", ylabel=name)
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False)
        return Plot(to_svg(figure), f"{name}, a line a seed")


def embedding_plot(
    embeddings: Float[np.ndarray, "n d"], kinds: Shaped[np.ndarray, " n"], caption: str
) -> Plot:
    """Clips on a plane, near to each other where their embeddings are (t-SNE by cosine).

    Args:
        embeddings: of at least two clips.
        kinds: a name for each clip, by which it gets its colour; `genuine` are grey.
        caption: what the clips are.
    """
    # A second, which other pages need not wait for.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    plane = TSNE(init="pca", metric="cosine", perplexity=perplexity, random_state=0)
    with threadpool_limits(limits=1):  # its threads spin where others work, and sums would vary
        places = plane.fit_transform(embeddings)
    names = sorted(set(kinds.tolist()), key=lambda name: (name != "genuine", name))
    with drawing(5.2, 4.6) as figure:
        axes = figure.subplots()
        for number, name in enumerate(names):
            colour = "0.7" if name == "genuine" else _COLOURS[number % len(_COLOURS)]
            marker = "o^sDvP*X"[number // len(_COLOURS) % 8]
            axes.scatter(*places[kinds == name].T, s=9, c=colour, marker=marker, label=name)
        axes.set_xticks([])
        axes.set_yticks([])
        figure.legend(loc="outside lower center", ncols=3, fontsize=7, frameon=False)
        return Plot(to_svg(figure), caption)


def _curves(
    across: Line,
    upward: Mapping[str, Line],
    caption: str,
    names: tuple[str, str],
    finish: Callable[[Axes], None] = lambda axes: None,
) -> Plot:
    styles = _styles(upward)
    with drawing(*_SIZE) as figure:
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=names[0], ylabel=names[1])
        axes.grid(color="0.92", linewidth=0.6)
        for variant, line in upward.items():
            axes.plot(across, line, **styles[variant], label=variant, linewidth=1.2)
        finish(axes)
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False)
        return Plot(to_svg(figure), caption)


def _styles(variants: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A colour for each variant; what was put together, not trained, is dashed."""
    return {
        variant: {"color": f"C{number}", "linestyle": "--" if variant in LATE else "-"}
        for number, variant in enumerate(variants)
    }
