"""Scores the splits of a prepared set and reports on them.

Owns what is written under `evaluation/`. The threshold comes from the validation split; test splits
choose nothing.
"""

import pathlib

import jax
import numpy as np

from cad_jax.config import ConfigError, differences, unstructure
from cad_jax.data import open_split
from cad_jax.evaluation import metrics
from cad_jax.evaluation.report import evaluate_table, render, write_report
from cad_jax.evaluation.scores import ScoreTable, to_videos, write_scores
from cad_jax.evaluation.scoring import Scores
from cad_jax.experiment import ExperimentConfig
from cad_jax.inference import Detector
from data_pipelines.records.schema import ClipSummary

CORRUPT = "corrupt record"


def evaluate(detector: Detector, config: ExperimentConfig, workdir: pathlib.Path) -> None:
    """Scores validation and test splits; prints and writes scores and metrics of each.

    Writes `evaluation/scores-<split>.csv` (a row a clip) and `evaluation/metrics-<split>.json`
    (figures of clips and of whole videos).

    Args:
        detector: from a run.
        config: names the prepared set and its splits, batch size and resamplings.
        workdir: where `evaluation/` goes.

    Raises:
        ConfigError: the detector was trained as another model than `config` says.
        UserError: no such set or split; a damaged shard.
    """
    _refuse_other_model(detector.config, config)
    output = workdir / "evaluation"
    threshold = float("nan")
    for split in (config.data.validation_split, *config.data.test_splits):
        source = open_split(config.data, split)
        scores = detector.scorer.split(detector.params, source, f"scoring {split}")
        table = score_table(source.summaries, scores)
        videos = to_videos(table)
        if split == config.data.validation_split:
            known = (videos.label >= 0) & (videos.reason == "")
            threshold = metrics.best_threshold(videos.label[known], videos.p_fake[known])
        if jax.process_index() == 0:
            _write(table, videos, threshold, config, output, split)
    if jax.process_index() == 0:
        print(f"step {detector.step}; scores and metrics: {output}")


def score_table(clips: tuple[ClipSummary, ...], scores: Scores) -> ScoreTable:
    """Joins what is known of each clip with what the detector said of it.

    Args:
        clips: of the source, by position.
        scores: columns over the scored clips; `clip_index` says which. Others get a reason.
    """
    rows = scores["clip_index"]

    def column(name: str) -> np.ndarray:
        values = np.full(len(clips), np.nan)
        values[rows] = scores[name]
        return values

    scored = np.isin(np.arange(len(clips)), rows)
    texts = ("clip_id", "dataset", "split", "method_video", "method_audio")
    labels = ("label", "label_video", "label_audio", "label_sync")
    numbers = ("p_fake", "p_video", "p_audio", "p_mismatch", "best_offset_ms")
    return ScoreTable(
        **{name: np.array([getattr(clip, name) for clip in clips], np.str_) for name in texts},
        **{name: np.array([getattr(clip, name) for clip in clips], np.int32) for name in labels},
        **{name: column(name) for name in numbers},
        cluster=np.array([cluster(clip) for clip in clips], np.str_),
        reason=np.where(scored, "", CORRUPT),
    )


def cluster(clip: ClipSummary) -> str:
    """What a confidence interval resamples: the clip's first identity, else its original or file.

    Clips of one person are not independent. Merging everything that shares any identity would often
    leave one cluster: in face-swap sets donors connect almost everybody.
    """
    identity = clip.source_ids[0] if clip.source_ids else ""
    return identity or clip.pair_id or clip.clip_id.rsplit("#", 1)[0]


def _write(
    table: ScoreTable,
    videos: ScoreTable,
    threshold: float,
    config: ExperimentConfig,
    output: pathlib.Path,
    split: str,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    draws = config.evaluation.bootstrap
    report = {
        "dataset": config.data.path,
        "split": split,
        "clips": evaluate_table(table, threshold, draws=draws, seed=config.seed),
        "videos": evaluate_table(videos, threshold, draws=draws, seed=config.seed),
    }
    write_scores(table, output / f"scores-{split}.csv")
    write_report(report, output / f"metrics-{split}.json")
    print(f"\n{split}: videos\n{render(report['videos'])}")


def _refuse_other_model(trained: ExperimentConfig, asked: ExperimentConfig) -> None:
    for part in ("model", "data.clip"):
        old, new = trained, asked
        for name in part.split("."):
            old, new = getattr(old, name), getattr(new, name)
        changed = differences(unstructure(old), unstructure(new), f"config.{part}")
        for name, (was, now) in changed.items():
            raise ConfigError(
                f"{name} is {now!r}, but the checkpoint was trained with {was!r}: another model"
            )
