"""Runs the alignment path's frozen towers once over the training clips and keeps what they give.

Owns what the features depend on and the sharded pass that makes them. Training then reads them
instead (`config.data.features`): the alignment path's towers cost nothing any more, the specific
path's adapted pass stays. The price: windows are the records' middles and nothing is augmented.
"""

import hashlib
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from cad_jax.models.cad import CAD
from cad_jax.models.clip import visible
from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import check_divides, put_batch, replicated
from cad_jax.run.initialise import tower_parameters
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError, unstructure
from cad_jax.training.learner import Learner
from cad_jax.types import Batch, Params
from data_pipelines.loading.pipeline import evaluation_batches
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.feature_store import (
    ClipFeatures,
    FeatureStore,
    features_folder,
    write_features,
)
from data_pipelines.records.metadata import INFO_FILE, PREPARATION_FILE


def store_features(config: Experiment) -> list[pathlib.Path]:
    """Makes the features of every set that the experiment trains on, where they are not there yet.

    Args:
        config: with its weights pinned.

    Returns:
        Their folders.

    Raises:
        UserError: a tower is trained; weights or sets are not there.
    """
    mesh = experiment_mesh(config)
    check_divides(config.evaluation.batch_size, mesh, "config.evaluation.batch_size")
    learner = Learner(config, mesh, make_model(config))
    _refuse_trained_towers(learner.names[0])
    folders, params = [], None
    for path in (config.data.path, *config.data.extra_paths):
        facts = feature_facts(config, path)
        folder = features_folder(path, facts)
        if not hosts.agree(folder.exists()):  # the others' disk may be another
            params = params or {**learner.init().params, **learner.init_frozen()}
            source = TFRecordSource(path, config.data.train_split)
            clips = _clips(config, learner, params, source)
            if hosts.is_lead():
                write_features(path, facts, clips)
            else:  # takes its part in the passes; the first process holds all of the result
                for _ in clips:
                    pass
        folders.append(folder)
    return folders


def open_features(config: Experiment) -> tuple[FeatureStore, ...]:
    """The stored features of the sets that are trained on, in their order; none if not asked for.

    Raises:
        UserError: there are none of these weights, records and cuts.
    """
    if not config.data.features:
        return ()
    paths = (config.data.path, *config.data.extra_paths)
    return tuple(FeatureStore(path, feature_facts(config, path)) for path in paths)


def feature_facts(config: Experiment, path: str) -> dict[str, Any]:
    """All that the features of a prepared set depend on, JSON-ready.

    Raises:
        ConfigError: the towers come from a run, whose parameters have no hash.
    """
    model, init = config.model, config.init
    if init.run:
        raise ConfigError(
            "stored features are known by their weights' hashes: leave init.run empty"
        )
    records = hashlib.sha256()
    for name in (INFO_FILE, PREPARATION_FILE):
        file = pathlib.Path(path) / name
        records.update(file.read_bytes() if file.exists() else b"")
    return {
        "towers": [unstructure(model.align_video), unstructure(model.audio)],
        "weights": [config.computed.video, config.computed.audio],
        "seed": config.seed,  # of towers without weights
        "dtypes": [model.compute_dtype, model.frozen_dtype],
        "streams": model.streams,
        "records": records.hexdigest(),
        "split": config.data.train_split,
        "clip": unstructure(config.data.clip),
    }


def _refuse_trained_towers(trainable: list[str]) -> None:
    trained = [n for tower in ("video", "audio") for n in tower_parameters(tower, trainable)]
    if trained:
        raise ConfigError(
            f"stored features need frozen towers, but {trained[0]} is trained: freeze it with "
            "config.optimizer.trainable, or set config.data.features=False"
        )


def _clips(
    config: Experiment, learner: Learner, params: Params, source: TFRecordSource
) -> Iterator[ClipFeatures]:
    """The features of every clip of a split, in the source's order."""
    compute = _compiled(learner)
    size = config.evaluation.batch_size
    batches = evaluation_batches(
        source,
        batch_size=size,
        clip=config.data.clip,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=config.data.workers,
    )
    for batch in tqdm(batches, "features", -(-len(source) // size), leave=False, disable=None):
        seen, heard, indices = jax.device_get(compute(params, put_batch(batch, learner.mesh)))
        rows = np.flatnonzero(indices >= 0)
        names = source.subset(indices[rows]).column("clip_id")
        for name, row in zip(names, rows, strict=True):
            yield ClipFeatures(name, seen[row], heard[row])


def _compiled(learner: Learner):
    def compute(params: Params, batch: Batch) -> tuple[jax.Array, ...]:
        model: CAD = learner.model.merge(params)
        clip = visible(batch, learner.config.model.streams)
        with jax.sharding.use_abstract_mesh(learner.mesh.abstract_mesh):
            features = [x.astype(jnp.bfloat16) for x in model.alignment_features(clip)]
        bits = (jax.lax.bitcast_convert_type(x, jnp.uint16) for x in features)
        return *bits, batch["clip_index"]

    return jax.jit(compute, out_shardings=replicated(learner.mesh))
