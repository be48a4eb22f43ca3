"""A batch as the towers may see it; a compiled detector needs this and none of the towers."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from cad_jax.types import Batch
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Clip:
    """A batch as the towers may see it: what a clip does not have is masked and zeroed.

    The features, where they were stored, are what the alignment path's towers would make of it.
    """

    frames: UInt8[Array, "b t h w 3"]
    frame_times: Float[Array, "b t"]
    frame_mask: Bool[Array, "b t"]
    align_frames: UInt8[Array, "b k ah aw 3"]
    align_times: Float[Array, "b k"]
    align_mask: Bool[Array, "b k"]
    waveform: Float[Array, "b s"]
    waveform_mask: Bool[Array, "b g"]
    video_features: Float[Array, "b k d"] | None = None
    audio_features: Float[Array, "b n c"] | None = None

    @property
    def seconds(self) -> float:
        return self.waveform.shape[1] / SAMPLE_RATE

    @property
    def grid_index(self) -> Int[Array, "b k"]:
        """The 25 Hz grid bin in which each alignment frame is shown."""
        index = jnp.round(self.align_times * FRAME_RATE).astype(jnp.int32)
        return jnp.clip(index, 0, self.waveform_mask.shape[1] - 1)


@jax.named_scope("visible")
def visible(batch: Batch, streams: str = "both") -> Clip:
    """Take from the batch what the towers may see; `streams` can shut out a modality.

    Raises:
        ValueError: samples and grid bins disagree, or there is no slot for a frame.
    """
    samples, bins = batch["waveform"].shape[1], batch["waveform_mask"].shape[1]
    if samples * FRAME_RATE != bins * SAMPLE_RATE:
        raise ValueError(f"waveform of {samples} samples; {bins} bins of 40 ms need 640 each")
    if batch["frames"].shape[1] == 0:
        raise ValueError("frames: no slot in [b t h w 3]; mask frames that do not exist instead")
    has_video = batch["has_video"] if streams != "audio" else jnp.zeros_like(batch["has_video"])
    has_audio = batch["has_audio"] if streams != "video" else jnp.zeros_like(batch["has_audio"])
    frame_mask = batch["frame_mask"] & has_video[:, None]
    frames = jnp.where(frame_mask[..., None, None, None], batch["frames"], 0)
    waveform_mask = batch["waveform_mask"] & has_audio[:, None]
    sounding = jnp.repeat(waveform_mask, samples // bins, axis=1)
    clip = Clip(
        frames=frames,
        frame_times=batch["frame_times"],
        frame_mask=frame_mask,
        align_frames=frames,
        align_times=batch["frame_times"],
        align_mask=frame_mask,
        waveform=jnp.where(sounding, batch["waveform"], 0.0),
        waveform_mask=waveform_mask,
        video_features=_stored(batch, "video_features"),
        audio_features=_stored(batch, "audio_features"),
    )
    if batch["mouth_frames"].shape[1] == 0:
        return clip
    mouth_mask = batch["mouth_mask"] & has_video[:, None]
    return dataclasses.replace(
        clip,
        align_frames=jnp.where(mouth_mask[..., None, None, None], batch["mouth_frames"], 0),
        align_times=batch["mouth_times"],
        align_mask=mouth_mask,
    )


def _stored(batch: Batch, key: str) -> Float[Array, "b n c"] | None:
    """Stored features, which travel as the bits of bfloat16."""
    if key not in batch:
        return None
    return jax.lax.bitcast_convert_type(batch[key], jnp.bfloat16).astype(jnp.float32)
