"""Scores the splits of the evaluated sets and reports on them.

Owns what is written under `evaluation/`. The threshold comes from the validation split, one for all
sets, as in use nobody says where a clip is from; test splits choose nothing.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float16, Shaped

from cad_jax.data import evaluated_sets, open_evaluation
from cad_jax.evaluation.alignment import evaluate_alignment
from cad_jax.evaluation.embeddings import EMBEDDINGS_FILE, write_embeddings
from cad_jax.evaluation.figures import choose_threshold, evaluate_table
from cad_jax.evaluation.score_table import HEADS, ScoreTable, to_videos, write_scores
from cad_jax.evaluation.strips import choose_clips, cut_strips
from cad_jax.evaluation.summary import number, render, with_interval
from cad_jax.parallel import hosts
from cad_jax.run.placement import LoadedRun
from cad_jax.run.scores import Scores
from cad_jax.run.scoring import make_scorer
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError, differences, unstructure
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import write_json
from data_pipelines.records.metadata import recorded_split

CORRUPT = "corrupt record"
OUTPUT = "evaluation"  # within the work folder
FILES = {
    "scores": "scores-{}.csv",
    "metrics": "metrics-{}.json",
    "picture": "report-{}.png",
    "embeddings": EMBEDDINGS_FILE,
}


class ScoredSplit(NamedTuple):
    """A split with what the detector said of it, by clip and by video, and made of its clips."""

    name: str
    source: TFRecordSource
    clips: ScoreTable
    videos: ScoreTable
    embeddings: Float16[np.ndarray, "n d"]


def evaluate(run: LoadedRun, config: Experiment, workdir: str | pathlib.Path) -> None:
    """Scores validation and test splits; prints and writes scores and metrics of each.

    Writes `evaluation/scores-<split>.csv` (a row a clip), `evaluation/metrics-<split>.json`
    (figures of clips and of whole videos), `evaluation/report-<split>.png` (one page) and
    `evaluation/embeddings-<split>.npy` (see `embeddings.write_embeddings`). Of a pretraining only
    figures are written, see `evaluate_alignment`.

    Args:
        run: whose detector, or alignment path, is judged.
        config: names the prepared sets and their splits, batch size and resamplings.
        workdir: where `evaluation/` goes.

    Raises:
        ConfigError: the run was trained as another model than `config` says.
        UserError: no such set or split; a damaged shard.
    """
    _refuse_other_model(run.config, config)
    evaluated = dataclasses.replace(run.config, evaluation=config.evaluation)
    run = run._replace(config=evaluated)
    output = pathlib.Path(workdir) / OUTPUT
    splits = tuple(dict.fromkeys((config.data.validation_split, *config.data.test_splits)))
    if run.config.stage == "pretrain":
        for split in splits:
            evaluate_alignment(run, _open(config, split), split, output)
        return
    scorer, threshold = make_scorer(run.config, run.mesh), float("nan")
    for split in splits:
        source = _open(config, split)
        scores = scorer.split(run.params, source, f"scoring {split}")
        table = score_table(source, scores)
        videos = to_videos(table)
        if split == config.data.validation_split:
            threshold = choose_threshold(videos)
        if hosts.is_lead():
            embeddings = by_clip(source, scores, "embedding").astype(np.float16)
            scored = ScoredSplit(split, source, table, videos, embeddings)
            _report(scored, threshold, run.step, config, output)
    if hosts.is_lead():
        print(f"\ncheckpoint  {run.folder}")
        for title, pattern in FILES.items():
            print(f"{title:10}  {output / pattern.format(_any_of(splits))}")


def metrics_file(workdir: pathlib.Path, split: str) -> pathlib.Path:
    """Where the figures of a split of a run stand, once it is evaluated."""
    return workdir / OUTPUT / FILES["metrics"].format(split)


def _open(config: Experiment, split: str) -> TFRecordSource:
    """The clips of a split: the same ones on all hosts, wherever these have them."""
    source = hosts.together(lambda: open_evaluation(config.data, split))
    hosts.refuse_different({f"split {split!r}": source.fingerprint})
    return source


def score_table(source: TFRecordSource, scores: Scores) -> ScoreTable:
    """Joins what is known of each clip with what the detector said of it.

    Args:
        source: the clips.
        scores: columns over the scored clips; `clip_index` says which. Others get a reason.
    """
    scored = np.isin(np.arange(len(source)), scores["clip_index"])
    texts = ("clip_id", "dataset", "split", "pair_id", "method_video", "method_audio")
    labels = ("label", "label_video", "label_audio", "label_sync")
    verdicts = (*HEADS, "best_offset_ms")
    return ScoreTable(
        **{name: source.column(name).astype(np.str_) for name in texts},
        **{name: source.column(name).astype(np.int32) for name in labels},
        **{name: by_clip(source, scores, name) for name in verdicts},
        sync_delay_ms=source.column("sync_delay_ms"),
        cluster=clusters(source),
        reason=np.where(scored, "", CORRUPT),
    )


def by_clip(source: TFRecordSource, scores: Scores, name: str) -> Float[np.ndarray, "n ..."]:
    """One of the scores' columns with a row for every clip; nan where a clip was not scored."""
    values = scores[name]
    rows = np.full((len(source), *values.shape[1:]), np.nan)
    rows[scores["clip_index"]] = values
    return rows


def clusters(source: TFRecordSource) -> Shaped[np.ndarray, " n"]:
    """What a confidence interval resamples: a clip's first identity, else its original or file.

    Clips of one person are not independent. Merging everything that shares any identity would often
    leave one cluster: in face-swap sets donors connect almost everybody.
    """
    identity, original, video = (source.column(x) for x in ("identity", "pair_id", "video"))
    original = np.where(original == "", video, original)
    return np.where(identity == "", original, identity).astype(np.str_)


def _report(
    split: ScoredSplit,
    threshold: float,
    step: int,
    config: Experiment,
    output: pathlib.Path,
) -> None:
    # Imported here: Matplotlib takes a second that the start of a training need not wait for.
    from cad_jax.evaluation.report_page import draw_page, write_picture

    output.mkdir(parents=True, exist_ok=True)
    sets = evaluated_sets(config.data, split.name)
    draws = config.evaluation.bootstrap
    of_videos = of_clips = evaluate_table(split.videos, threshold, draws=draws, seed=config.seed)
    if len(split.clips) > len(split.videos):  # else they are the same, and so are the figures
        of_clips = evaluate_table(split.clips, threshold, draws=draws, seed=config.seed)
    stamp = recorded_split(pathlib.Path(config.data.path))
    write_scores(split.clips, output / FILES["scores"].format(split.name))
    write_embeddings(split.embeddings, output / FILES["embeddings"].format(split.name))
    write_json(
        {
            "paths": [str(prepared.directory) for prepared in sets],
            "split": split.name,
            "split_file": stamp,
            "clips": of_clips,
            "videos": of_videos,
        },
        output / FILES["metrics"].format(split.name),
    )
    divided = f", split {stamp['name']} {stamp['sha256'][:12]}" if stamp else ""
    print(f"\n{split.name}: videos ({len(split.clips)} clips{divided})\n{render(of_videos)}")

    chosen = choose_clips(split.clips, threshold)
    strips = cut_strips(split.source, config.data.clip, split.clips, chosen, threshold)
    description = sets[0].description if len(sets) == 1 else ""
    title = (
        f"{' + '.join(prepared.name for prepared in sets)}, {split.name}. {description}\n"
        f"step {step}, {len(split.clips)} clips of {len(split.videos)} videos, "
        f"AUC {with_interval(of_videos['overall']['p_fake'], 'auc')}, threshold of p_fake "
        f"{number(of_videos['threshold'])} (chosen on {config.data.validation_split})"
    )
    page = draw_page(title, split.videos, of_videos, list(strips))
    write_picture(page, output / FILES["picture"].format(split.name))


def _any_of(names: tuple[str, ...]) -> str:
    """As a shell understands it: `{val,test}`."""
    return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"


def _refuse_other_model(trained: Experiment, asked: Experiment) -> None:
    for part in ("model", "data.clip"):
        old, new = trained, asked
        for name in part.split("."):
            old, new = getattr(old, name), getattr(new, name)
        changed = differences(unstructure(old), unstructure(new), f"config.{part}")
        for name, (was, now) in changed.items():
            raise ConfigError(
                f"{name} is {now!r}, but the checkpoint was trained with {was!r}: another model"
            )
