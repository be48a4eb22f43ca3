"""What a report draws over a file's time: evidence, the sound's spectrogram, lips against sound.

Draws with Matplotlib, which is slow to import: import this module where a page is drawn.
"""

import math
from collections.abc import Iterator, Sequence

import librosa
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from cad_jax.evaluation.report_page import HEAD_COLOURS
from cad_jax.file_report.evidence import MELS, SLICES_PER_SECOND, Moment
from cad_jax.verdicts.schema import TimeRange
from data_pipelines.documents.blocks import Plot, Plots
from data_pipelines.documents.svg import drawing, to_svg
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

WIDTH = 7.5  # inches
HEAD_NAMES = {
    "p_fake": "all together",
    "p_video": "picture",
    "p_audio": "sound",
    "p_mismatch": "lips against sound",
}
_FOUND, _BEYOND = "#e0564a", "0.85"
_MOST_SLICES = 1500  # of a drawn spectrogram
_KILOHERTZ = (0.25, 1, 2, 4, 8)


def timeline(moments: Sequence[Moment], ranges: Sequence[TimeRange], duration_s: float) -> Plots:
    """Every head over time, a line a face; what was found is red, what is not known grey."""
    with drawing(WIDTH, 2.8) as figure:
        axes = figure.subplots()
        for moment in moments:
            if moment.beyond:
                axes.axvspan(moment.start_s, moment.end_s, color=_BEYOND, linewidth=0)
        for found in ranges:
            axes.axvspan(found.start_s, found.end_s, color=_FOUND, alpha=0.18, linewidth=0)
        for head, colour in HEAD_COLOURS.items():
            for times, values in _lines(moments, head):
                axes.plot(times, values, color=colour, linewidth=1.2, marker="o", markersize=3)
        _time_axis(axes, duration_s)
        axes.set(ylim=(-0.03, 1.03), ylabel="score")
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        keys = [Patch(color=HEAD_COLOURS[head], label=name) for head, name in HEAD_NAMES.items()]
        keys.append(Patch(color=_FOUND, alpha=0.3, label="found"))
        keys.append(Patch(color=_BEYOND, label="not known"))
        figure.legend(handles=keys, loc="outside upper center", ncols=6, frameon=False, fontsize=8)
        caption = "Calibrated score of each window, at its middle; a line a face."
        return Plots([Plot(to_svg(figure), caption)])


def sound(moments: Sequence[Moment], duration_s: float) -> Plots:
    """The spectrogram, and what of it looks forged."""
    levels, pool = _spectrogram(moments)
    with drawing(WIDTH, 2.8) as figure:
        axes = figure.subplots()
        end = levels.shape[1] * pool / SLICES_PER_SECOND
        axes.imshow(
            levels, origin="lower", aspect="auto", cmap="magma", extent=(0, end, 0, MELS),
            interpolation="nearest", vmin=np.nanmax(levels) - 200, vmax=np.nanmax(levels),
        )  # fmt: skip
        bands = librosa.mel_frequencies(n_mels=MELS, fmax=SAMPLE_RATE / 2) / 1000
        axes.set_yticks(
            np.interp(_KILOHERTZ, bands, np.arange(MELS)).tolist(), map(str, _KILOHERTZ)
        )
        axes.set_ylabel("kHz")
        _time_axis(axes, duration_s)
        beside = axes.twinx()
        times = np.concatenate([moment.sound_times for moment in moments])
        evidence = np.concatenate([moment.p_sound for moment in moments])
        order = np.argsort(times, kind="stable")
        beside.plot(times[order], evidence[order], color="#40e0d0", linewidth=1.3)
        beside.set(ylim=(0, 1), ylabel="evidence")
        caption = "Mel spectrogram; the line is the evidence that the sound is forged there."
        return Plots([Plot(to_svg(figure), caption)])


def sync(moments: Sequence[Moment], duration_s: float) -> Plots:
    """How well lips and sound fit by the sound's delay, over time."""
    compared = sorted((m for m in moments if m.sync_curve.size), key=lambda m: m.start_s)
    best: dict[float, Moment] = {}
    for moment in compared:  # of several faces the one that fits best: it speaks
        known = best.get(moment.start_s)
        if known is None or moment.sync_curve.max() > known.sync_curve.max():
            best[moment.start_s] = moment
    chosen = list(best.values())
    curves = np.stack([moment.sync_curve for moment in chosen], axis=1)
    delays = (np.arange(len(curves)) - len(curves) // 2) * 1000 / FRAME_RATE
    middles = np.array([(moment.start_s + moment.end_s) / 2 for moment in chosen])
    with drawing(WIDTH, 2.6) as figure:
        axes = figure.subplots()
        axes.pcolormesh(
            _edges(middles, chosen[0].end_s - chosen[0].start_s),
            _edges(delays, 1000 / FRAME_RATE),
            curves,
            cmap="viridis",
            rasterized=True,
        )
        axes.plot(
            middles, delays[np.argmax(curves, axis=0)], "o", color="white",
            markeredgecolor="black", markersize=4,
        )  # fmt: skip
        axes.axhline(0, color="white", linewidth=0.8, linestyle=":")
        _time_axis(axes, duration_s)
        axes.set_ylabel("sound late by (ms)")
        caption = (
            "Likeness of lips and sound if the sound were shifted; the dot is the best shift of "
            "each window. In a genuine file dots lie near 0 and the band is bright; dots that jump "
            "say that lips and sound do not belong together, or that nobody speaks."
        )
        return Plots([Plot(to_svg(figure), caption)])


def _lines(moments: Sequence[Moment], head: str) -> Iterator[tuple[list[float], list[float]]]:
    """Middles and scores of each face's windows."""
    for face in dict.fromkeys(moment.face for moment in moments):
        own = sorted((m for m in moments if m.face == face), key=lambda moment: moment.start_s)
        points = [((m.start_s + m.end_s) / 2, m.scores.get(head, math.nan)) for m in own]
        known = [(time, p) for time, p in points if math.isfinite(p)]
        if known:
            times, values = zip(*known, strict=True)
            yield list(times), list(values)


def _spectrogram(moments: Sequence[Moment]) -> tuple[Float[np.ndarray, "m n"], int]:
    """Levels over the whole file, nan where there is no sound, and how many slices are one."""
    starts = [round(moment.start_s * SLICES_PER_SECOND) for moment in moments]
    ends = [start + m.mel.shape[1] for start, m in zip(starts, moments, strict=True)]
    pool = math.ceil(max(ends) / _MOST_SLICES)
    levels = np.full((MELS, math.ceil(max(ends) / pool) * pool), np.nan)
    for start, end, moment in zip(starts, ends, moments, strict=True):
        levels[:, start:end] = moment.mel
    loudest = np.fmax.reduce(levels.reshape(MELS, -1, pool), axis=2)
    return loudest, pool


def _edges(centres: Float[np.ndarray, " n"], step: float) -> Float[np.ndarray, " n+1"]:
    """The cells' borders: half way between neighbours, `step / 2` beyond the outermost."""
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[centres[0] - step / 2], inner, [centres[-1] + step / 2]])


def _time_axis(axes: Axes, duration_s: float) -> None:
    axes.set(xlim=(0, duration_s), xlabel="seconds")
