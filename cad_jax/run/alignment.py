"""How well an alignment path tells what belongs together, on genuine clips in sync.

Owns which clips are judged and the three figures: the offset found, the same clip with its sound
shifted told apart, a clip's own sound found among others'. Needs no label of forgery.
"""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Int

from cad_jax.losses.clip_embedding import clip_embeddings, is_present
from cad_jax.losses.watch import SYNC_TOLERANCE, retrieval_accuracy
from cad_jax.run.judging import clip_scores
from cad_jax.run.placement import make_model
from cad_jax.run.scores import Scores
from cad_jax.run.scoring import Scorer
from cad_jax.settings.experiment import Experiment
from cad_jax.types import Batch, Outputs
from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.views import SyncShift
from data_pipelines.loading.window import can_misalign, extent
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.ranking import auc
from data_pipelines.records.clip import FRAME_RATE, IN_SYNC, REAL

GALLERY = 1024  # clips, evenly spaced over a split, among which a clip's own sound is looked for


def in_sync_clips(config: Experiment, source: TFRecordSource) -> TFRecordSource:
    """The genuine clips of a split that are known to be in sync.

    Raises:
        UserError: there are none, or none has room for a shift of its sound.
    """
    wanted = {"label_video": REAL, "label_audio": REAL, "label_sync": IN_SYNC}
    chosen = (source.column("has_video") != 0) & (source.column("has_audio") != 0)
    for name, value in wanted.items():
        chosen &= source.column(name) == value
    if not chosen.any():
        raise UserError(
            f"{source!r} has no genuine clip with picture and sound in sync: a pretraining is "
            "validated on these; name another config.data.validation_split"
        )
    clips = source.subset(np.flatnonzero(chosen))
    lengths = (clips.column(name) for name in ("num_frames", "num_samples", "audio_offset_ms"))
    shift = config.data.augment.sync_shift_seconds
    if not can_misalign(extent(*lengths), config.data.clip, shift).any():
        raise UserError(
            f"no clip of {clips!r} has room to shift its sound by {shift[0]:g} s, by which a "
            "pretraining is validated: shorten config.data.clip or prepare longer records"
        )
    return clips


def alignment_figures(
    config: Experiment,
    mesh: Mesh,
    params: Mapping[str, jax.Array],
    source: TFRecordSource,
    between: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """What the parameters do on clips of `in_sync_clips`; silent ones are not judged.

    Args:
        config: the experiment.
        mesh: where the parameters are.
        params: all of them, by name.
        source: the clips.
        between: see `Scorer.split`.

    Returns:
        sync_auc: p_mismatch of the clips against that of the same clips with their sound shifted
            by `data.augment.sync_shift_seconds`; which way and how far is a function of the seed
            and the clip's name. A clip without room is not shifted.
        sync_accuracy: share of the clips whose offset is found to be 0 to within a frame of 40 ms.
        retrieval: share of the clips of a gallery, at most `GALLERY`, whose own sound fits the
            picture better than every other's.
        clips: how many were judged.

        Figures that no clip defines are nan.

    Raises:
        ScoreError: a score is not finite.
    """
    scorers = _scorers(config, mesh)
    shift = SyncShift(config.seed, config.data.augment.sync_shift_seconds)
    here = scorers.sync.split(params, source, between=between)
    moved = scorers.sync.split(params, source, view=shift, between=between)
    scores = [of["p_mismatch"][of["heard"]] for of in (here, moved)]
    labels = np.repeat([0, 1], [len(of) for of in scores])
    bins = here["best_offset_ms"][here["heard"]] * FRAME_RATE / 1000
    gallery = source.subset(_evenly_spaced(len(source), GALLERY))
    embedded = scorers.embedding.split(params, gallery, between=between)
    return {
        "sync_auc": float(auc(count_scores(labels, np.concatenate(scores)))),
        "sync_accuracy": _share(np.abs(bins) <= SYNC_TOLERANCE),
        "retrieval": _retrieval(embedded, gallery),
        "clips": float(len(bins)),
    }


class _Scorers(NamedTuple):
    sync: Scorer
    embedding: Scorer


@functools.lru_cache(maxsize=1)
def _scorers(config: Experiment, mesh: Mesh) -> _Scorers:
    """Compiled once for a training and the evaluation that follows it."""
    model = make_model(config)
    return _Scorers(
        sync=Scorer(model, config, mesh, _sync_scores),
        embedding=Scorer(model, config, mesh, _with_embeddings),
    )


def _sync_scores(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
    scores, (video, audio) = clip_scores(outputs, batch), clip_embeddings(outputs)
    there = batch["has_video"] & batch["has_audio"]
    return {
        "p_mismatch": scores["p_mismatch"],
        "best_offset_ms": scores["best_offset_ms"],
        "heard": there & is_present(video) & is_present(audio),
    }


def _with_embeddings(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
    video, audio = clip_embeddings(outputs)
    return _sync_scores(outputs, batch) | {"video": video, "audio": audio}


def _retrieval(scores: Scores, source: TFRecordSource) -> float:
    heard, pair = jnp.asarray(scores["heard"]), jnp.asarray(source.pairs[scores["clip_index"]])
    video, audio = jnp.asarray(scores["video"]), jnp.asarray(scores["audio"])
    found = retrieval_accuracy(video, audio, heard, heard, pair)
    return float(found.total) / float(found.count) if found.count else np.nan


def _evenly_spaced(length: int, most: int) -> Int[np.ndarray, " k"]:
    return np.linspace(0, length - 1, min(length, most)).astype(int)


def _share(hits: Bool[np.ndarray, " n"]) -> float:
    return float(hits.mean()) if hits.size else np.nan
