"""Does a tower know what lips do? A small probe of frozen features, of sound or of mouths.

A linear map of a picture's features and one of a sound's are trained by InfoNCE over time offsets
on genuine clips in sync of half of the speakers, and judged on the other half: is the offset found
within one frame? Repeated over random halves, both ways round, with the same budget for all. A
Whisper encoder is probed against mouth pixels, a run's lip tower against the plain log-mel.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm
from jaxtyping import Array, Bool, Float, Int, UInt8

from cad_jax.losses.offset_info_nce import offset_info_nce
from cad_jax.models.log_mel import log_mel
from cad_jax.models.sync import NEAR, OFFSETS, sync_curve
from cad_jax.models.tracks import speech_mask
from cad_jax.run.placement import load_run
from cad_jax.settings.model import LipsConfig, ViTConfig, WhisperConfig
from cad_jax.types import Params
from cad_jax.weights.store import load_tower, read_weights_info
from cad_jax.weights.towers import tower_model
from data_pipelines.audit.cues import mouth_track
from data_pipelines.errors import UserError
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.transforms import clip_row
from data_pipelines.loading.window import Window, cut_sound
from data_pipelines.records.clip import IN_SYNC, REAL, ClipRecord

SPEC = ClipSpec(seconds=4.0, frames=1, image_size=1)
LEAST_BINS = 40  # of a clip that is judged; shorter ones only train
LIPS, SOUND, EMBEDDING = 48, 64, 16  # whitened dimensions, and of both together
STEPS, LEARNING_RATE, WEIGHT_DECAY = 300, 0.01, 0.1
RANDOM_TOWERS = 3
MELS = 80

# Name -> the features of pictures and of sounds that are told to match, [n g d] each.
Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class ProbeClips:
    """Genuine clips on a grid of 40 ms, padded; speakers by number."""

    records: tuple[ClipRecord, ...]
    lips: Float[np.ndarray, "n g p"]
    exists: Bool[np.ndarray, "n g"]
    waveform: Float[np.ndarray, "n s"]
    speech: Bool[np.ndarray, "n g"]
    speakers: Int[np.ndarray, " n"]


def read_clips(path: pathlib.Path, splits: Sequence[str]) -> ProbeClips:
    """The genuine clips of a prepared set that are in sync.

    Raises:
        UserError: there are less than two speakers with a clip that is long enough.
    """
    records = tuple(_genuine(path, splits))
    bins = SPEC.num_bins
    lips = np.zeros((len(records), bins, 3 * mouth_track(records[0]).shape[1]), np.float32)
    exists = np.zeros((len(records), bins), bool)
    for n, record in enumerate(records):
        track = np.pad(mouth_track(record)[:bins], ((1, 1), (0, 0)), mode="edge")
        length = len(track) - 2
        lips[n, :length] = np.concatenate([track[i : i + length] for i in range(3)], axis=1)
        exists[n, :length] = True
    sounds = [cut_sound(record, SPEC, Window(0)) for record in records]
    waveform, heard = (np.stack(part) for part in zip(*sounds, strict=True))
    speech = np.asarray(speech_mask(jnp.asarray(waveform), jnp.asarray(heard & exists)))
    names = [record.source_ids[0] if record.source_ids else record.clip_id for record in records]
    speakers = np.unique(names, return_inverse=True)[1]
    if len(np.unique(speakers[exists.sum(axis=1) >= LEAST_BINS])) < 2:
        raise UserError(f"{path}: less than two speakers with a clip of {LEAST_BINS} frames")
    return ProbeClips(records, lips, exists, waveform, speech, speakers)


def sound_pairs(clips: ProbeClips, weights: pathlib.Path) -> Pairs:
    """Mouth pixels with the weights' sound, the same tower's at random, and no tower's at all.

    Raises:
        UserError: these are no weights of a Whisper encoder.
    """
    config = read_weights_info(weights).architecture
    if not isinstance(config, WhisperConfig):
        raise UserError(f"{weights} holds no Whisper encoder")
    model = tower_model(config)
    hear = jax.jit(lambda params, sound: model.merge(params)(log_mel(sound, config.mels)))

    def features(params: Params) -> np.ndarray:
        tokens = [np.asarray(hear(params, sound[None])) for sound in clips.waveform]
        return np.concatenate(tokens).reshape(len(tokens), SPEC.num_bins, 2, -1).mean(axis=2)

    found = {"weights": features(load_tower(weights, config, model.shapes))}
    for seed in range(RANDOM_TOWERS):
        found[f"random {seed}"] = features(jax.jit(model.init)(jax.random.key(seed)))
    found["log-mel"] = _log_mel(clips, config.mels)
    return {name: (clips.lips, sound) for name, sound in found.items()}


def picture_pairs(clips: ProbeClips, workdir: pathlib.Path) -> Pairs:
    """The log-mel with what a run's lip tower sees, the same tower and one like CLIP's, of the same
    sizes, at random, and mouth pixels. Mouths are cropped as the run crops them.

    Raises:
        UserError: the run cannot be loaded, or its alignment path has no lip tower.
    """
    run = load_run(workdir)
    lips = run.config.model.align_video
    if not isinstance(lips, LipsConfig):
        raise UserError(f"{workdir} has no lip tower: its model.align_tower is 'image'")
    spec = dataclasses.replace(run.config.data.clip, seconds=SPEC.seconds, frames=1, image_size=1)
    rows = [clip_row(Sample(0, record), spec, Window(0), -1) for record in clips.records]
    frames, mask = (np.stack([row[f"mouth_{of}"] for row in rows]) for of in ("frames", "mask"))
    depth = max(lips.depth, 1)
    image = ViTConfig(lips.image_size, lips.image_size // 4, lips.width, depth, lips.heads)
    prefix = "video_tower/"
    trained = {n.removeprefix(prefix): p for n, p in run.params.items() if n.startswith(prefix)}
    found = {"run": _see(lips, trained, frames, mask)}
    for name, config in {"lips random": lips, "image random": image}.items():
        for seed in range(RANDOM_TOWERS):
            params = tower_model(config).init(jax.random.key(seed))
            found[f"{name} {seed}"] = _see(config, params, frames, mask)
    found["pixels"] = clips.lips
    sound = _log_mel(clips, MELS)
    return {name: (picture, sound) for name, picture in found.items()}


def run_probe(clips: ProbeClips, pairs: Pairs, repeats: int) -> dict[str, np.ndarray]:
    """Name -> [n]: how often each clip's offset was found when its speaker was not trained on.

    nan for clips that were never judged.
    """
    speakers = np.unique(clips.speakers)
    hits = {name: np.zeros(len(clips.speakers)) for name in pairs}
    judged = np.zeros(len(clips.speakers))
    for repeat in tqdm.trange(repeats, unit="half", disable=None):
        order = np.random.default_rng(repeat).permutation(speakers)
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            train = np.isin(clips.speakers, half)
            test = ~train & (clips.exists.sum(axis=1) >= LEAST_BINS)
            judged += test
            for name, (picture, sound) in pairs.items():
                lips = whitened(picture, clips.exists, train, LIPS)
                sound = whitened(sound, clips.exists, train, SOUND)
                curves = _fit_and_judge(lips, sound, clips.exists, clips.speech, train, repeat)
                best = np.asarray(OFFSETS)[np.asarray(curves).argmax(axis=1)]
                hits[name] += test & (np.abs(best) <= NEAR)
    never = np.where(judged > 0, 1.0, np.nan)
    return {name: never * hit / np.maximum(judged, 1) for name, hit in hits.items()}


def whitened(
    x: Float[np.ndarray, "n g d"], exists: Bool[np.ndarray, "n g"], train: np.ndarray, size: int
) -> Float[np.ndarray, "n g k"]:
    """Principal components of deviation 1, fitted on the training clips.

    First without each time's mean over them (Whisper's positions) and each clip's mean (the
    speaker, the room): what is left is how things move.
    """
    here = exists[..., None].astype(np.float64)
    x = x * here
    x = (x - x[train].sum(axis=0) / np.maximum(here[train].sum(axis=0), 1)) * here
    x = (x - x.sum(axis=1, keepdims=True) / here.sum(axis=1, keepdims=True)) * here
    rows = x[train][exists[train]]
    variances, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    variances, axes = variances[::-1][:size], axes[:, ::-1][:, :size]
    return (x @ axes / np.sqrt(variances + 1e-3 * variances[0])).astype(np.float32)


def report(clips: ProbeClips, found: Mapping[str, np.ndarray], draws: int = 2000) -> list[str]:
    """Accuracies, and what the first one adds, with 95 % intervals resampled by speaker.

    Those that differ by a number at the end of their name are averaged.
    """
    groups: dict[str, list[np.ndarray]] = {}
    for name, hit in found.items():
        groups.setdefault(name.rstrip(" 0123456789"), []).append(hit)
    rows = {name: np.mean(hits, axis=0) for name, hits in groups.items()}
    first, *others = rows
    judged = np.isfinite(rows[first])
    rows |= {f"{first} - {name}": rows[first] - rows[name] for name in others}
    speakers = np.unique(clips.speakers[judged])
    members = [np.flatnonzero(judged & (clips.speakers == speaker)) for speaker in speakers]
    rng = np.random.default_rng(0)
    chosen = [
        np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        for _ in range(draws)
    ]
    chance = (2 * NEAR + 1) / len(OFFSETS)
    lines = [
        f"{judged.sum()} clips of {len(speakers)} speakers; offset right within {NEAR} frame "
        f"(chance {chance:.2f})"
    ]
    for name, row in rows.items():
        low, high = np.percentile([row[indices].mean() for indices in chosen], [2.5, 97.5])
        lines.append(f"{name:<18} {row[judged].mean():5.2f} ({low:.2f} to {high:.2f})")
    return lines


@functools.partial(jax.jit, static_argnames="seed")
def _fit_and_judge(
    lips: Array, sound: Array, exists: Array, speech: Array, train: Array, seed: int
) -> Array:
    """Sync curves of all clips by a probe that was trained on some."""
    grid = jnp.broadcast_to(jnp.arange(exists.shape[1]), exists.shape)
    lips_key, sound_key = jax.random.split(jax.random.key(seed))
    params = {
        "lips": _linear(lips_key, lips.shape[-1]),
        "sound": _linear(sound_key, sound.shape[-1]),
        "log_scale": jnp.log(10.0),
    }
    optimizer = optax.adamw(
        optax.cosine_decay_schedule(LEARNING_RATE, STEPS), weight_decay=WEIGHT_DECAY
    )

    def loss(params: dict[str, Array]) -> Array:
        z_lips = _embed(lips, params["lips"], exists)
        z_sound = _embed(sound, params["sound"], exists)
        scale = jnp.exp(params["log_scale"])
        return offset_info_nce(z_lips, z_sound, scale, grid, exists, speech, train).mean()

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), None, STEPS)
    z_lips = _embed(lips, params["lips"], exists)
    z_sound = _embed(sound, params["sound"], exists)
    return sync_curve(z_lips, z_sound, grid, exists, speech)


def _log_mel(clips: ProbeClips, mels: int) -> Float[np.ndarray, "n g d"]:
    """Of every bin, its four frames of the spectrogram."""
    mel = np.asarray(jax.jit(lambda sound: log_mel(sound, mels))(clips.waveform))
    return mel.swapaxes(1, 2).reshape(len(mel), SPEC.num_bins, -1)


def _see(
    config: LipsConfig | ViTConfig,
    params: Params,
    frames: UInt8[np.ndarray, "n g h w 3"],
    mask: Bool[np.ndarray, "n g"],
) -> Float[np.ndarray, "n g d"]:
    """A tower's features of every frame, clip by clip."""
    model = tower_model(config)

    @jax.jit
    def see(params: Params, frames: Array, mask: Array) -> Array:
        tower = model.merge(params)
        return tower(frames[None], mask[None])[0] if lips else tower(frames)[1]

    lips = isinstance(config, LipsConfig)
    return np.stack([np.asarray(see(params, *clip)) for clip in zip(frames, mask, strict=True)])


def _linear(key: Array, inputs: int) -> Array:
    return jax.random.normal(key, (inputs, EMBEDDING)) / inputs**0.5


def _embed(x: Array, weights: Array, exists: Array) -> Array:
    """Unit embeddings without the clip's mean."""
    z, here = x @ weights, exists[..., None]
    z = z - jnp.sum(z * here, axis=1, keepdims=True) / jnp.sum(here, axis=1, keepdims=True)
    return z / (jnp.linalg.norm(z, axis=-1, keepdims=True) + 1e-6)


def _genuine(path: pathlib.Path, splits: Sequence[str]) -> Iterator[ClipRecord]:
    found = 0
    for split in splits:
        source = TFRecordSource(path, split, on_corrupt="skip")
        for position in range(len(source)):
            clip = source[position].clip
            genuine = clip.label == REAL and clip.label_sync == IN_SYNC
            if genuine and clip.has_video and clip.has_audio:
                found += 1
                yield clip
    if not found:
        raise UserError(f"{path} holds no genuine clip in sync, in {', '.join(splits)}")
