"""The detector: CAD's two paths, fused (arXiv 2505.15233).

Owns the wiring and which tower sees what. Knows nothing of losses, of training or of which of its
parameters are trained.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, UInt8

from cad_jax.models import texture, voice
from cad_jax.models.alignment import AlignmentProjector, CrossAttention
from cad_jax.models.clip import Clip, visible
from cad_jax.models.fusion import Fusion
from cad_jax.models.layers import NO_LORA
from cad_jax.models.lips import LipsTower
from cad_jax.models.log_mel import log_mel
from cad_jax.models.lora import Linear, merge_adapters
from cad_jax.models.specific import SpecificPath
from cad_jax.models.student import Student
from cad_jax.models.sync import MismatchHead, sync_curve
from cad_jax.models.tracks import Track, bin_centres, speech_mask, time_pool
from cad_jax.models.verdict import joint_verdict
from cad_jax.models.vit import ViT
from cad_jax.models.whisper import TOKEN_RATE, WhisperEncoder
from cad_jax.settings.loss import HEADS, Contrast, Head
from cad_jax.settings.model import CADConfig, LoRAConfig, ViTConfig, WhisperConfig
from cad_jax.types import Batch, Outputs
from data_pipelines.records.clip import FRAME_RATE

FIRST_TEMPERATURE, LARGEST_SCALE = 0.07, 100.0  # of InfoNCE, as in CLIP
SIGMOID_TEMPERATURE, SIGMOID_BIAS = 0.1, -10.0  # of the sigmoid contrast, as in SigLIP


class CAD(nnx.Module):
    """Cross-modal alignment and distillation, for one modality or both.

    Towers: `video_tower` and `audio_tower` serve the alignment path. The specific path makes a
    second, adapted pass through them, or goes through `specific_video_tower` and
    `specific_audio_tower` where these are configured; adapters sit in the tower that it uses.

    Example:
        model = CAD(CADConfig(), rngs=nnx.Rngs(0))
        graphdef, state = nnx.split(model)
        outputs = jax.jit(lambda state, batch: nnx.merge(graphdef, state)(batch))(state, batch)
    """

    def __init__(
        self,
        config: CADConfig,
        *,
        rngs: nnx.Rngs,
        contrast: Contrast = "softmax",
        taught: Sequence[Head] = HEADS,
    ) -> None:
        """Random parameters.

        Args:
            config: the detector's settings.
            rngs: what they are drawn from.
            contrast: how the objective compares clips.
            taught: heads that the objective teaches, and that a joint verdict may listen to.
        """
        self.config, self._taught = config, tuple(taught)
        own_video, own_audio = config.own_video, config.own_audio
        towers = _TowerFactory(config, rngs)
        self.video_tower = towers.alignment_vision(adapted=own_video is None)
        self.specific_video_tower = towers.vision(own_video, adapted=True)
        self.audio_tower = towers.audio(config.audio, adapted=own_audio is None)
        self.specific_audio_tower = towers.audio(own_audio, adapted=True)

        self.align_video = AlignmentProjector(config.align_video.width, config, rngs=rngs)
        self.align_audio = AlignmentProjector(config.audio.width, config, rngs=rngs)
        self.cross_attention = CrossAttention(config, rngs=rngs)
        self.mismatch = MismatchHead()
        self.specific_video = SpecificPath(
            (own_video or config.video).width,
            config,
            whole_inputs=texture.COUNT if config.texture_statistics else 0,
            rngs=rngs,
        )
        self.specific_audio = SpecificPath(
            (own_audio or config.audio).width,
            config,
            whole_inputs=voice.COUNT if config.voice_statistics else 0,
            rngs=rngs,
        )
        self.fusion = Fusion(config, rngs=rngs)
        self.logit = Linear(config.width, 1, dtype=config.compute_dtype, rngs=rngs)
        self.student_video = Student(config, rngs=rngs)
        self.student_audio = Student(config, rngs=rngs)
        by_pair = contrast == "sigmoid"
        self.log_clip_scale = _log_scale(SIGMOID_TEMPERATURE if by_pair else FIRST_TEMPERATURE)
        self.log_frame_scale = _log_scale(FIRST_TEMPERATURE)
        self.clip_bias = nnx.Param(jnp.float32(SIGMOID_BIAS)) if by_pair else None

    def __call__(self, batch: Batch) -> Outputs:
        """Judge a batch; every output is float32 and finite, whatever a clip lacks.

        Raises:
            ValueError: images of another size than the tower's, a waveform longer than its
                positions, a window that is not a whole number of grid bins, or no frame slot.
        """
        clip = visible(batch, self.config.streams)
        video, audio = self._alignment_tracks(clip)
        video_hidden, z_video = self.align_video(video.features, video.mask)
        audio_hidden, z_audio = self.align_audio(audio.features, audio.mask)
        speech = speech_mask(clip.waveform, clip.waveform_mask)
        curve = sync_curve(z_video, z_audio, clip.grid_index, video.mask, speech)

        shared_video, shared_audio = self.cross_attention(
            dataclasses.replace(video, features=video_hidden),
            dataclasses.replace(audio, features=audio_hidden),
        )
        shared_audio = time_pool(
            shared_audio,
            step=1 / FRAME_RATE,
            centres=video.times,
            width=clip.seconds / video.times.shape[1],
        )
        seen = self.specific_video(self._specific_frames(clip), self._texture(clip))
        heard = self.specific_audio(self._specific_sound(clip), self._voice(clip))

        has_sync = jnp.any(video.mask, axis=1) & jnp.any(speech, axis=1)
        tracks = [shared_video, shared_audio, seen.track, heard.track]
        fused = self.fusion(tracks, curve, has_sync)
        # Equal in value (the compiler merges the two), but distillation ends here: it shall teach
        # the fusion what the specific paths know, not make them constant and so easy to predict.
        student = self.fusion(*jax.lax.stop_gradient((tracks, curve, has_sync)))
        predicted_video, student_logit_video = self.student_video(student)
        predicted_audio, student_logit_audio = self.student_audio(student)
        logit, logit_mismatch = self.logit(fused)[:, 0].astype(jnp.float32), self.mismatch(curve)
        heads: dict[Head, tuple[Float[Array, " b"], Bool[Array, " b"]]] = {
            "video": (seen.logit, jnp.any(clip.frame_mask, axis=1)),
            "audio": (heard.logit, jnp.any(clip.waveform_mask, axis=1)),
            "mismatch": (logit_mismatch, has_sync),
        }
        return Outputs(
            verdict=self._verdict(logit, heads),
            logit=logit,
            logit_video=seen.logit,
            logit_audio=heard.logit,
            logit_mismatch=logit_mismatch,
            student_logit_video=student_logit_video,
            student_logit_audio=student_logit_audio,
            specific_logits_video=seen.logits,
            specific_logits_audio=heard.logits,
            frame_logits_video=seen.frame_logits,
            frame_logits_audio=heard.frame_logits,
            z_video=z_video,
            z_audio=z_audio,
            grid_index=clip.grid_index,
            align_mask=video.mask,
            speech_mask=speech,
            shared_video=shared_video.features.astype(jnp.float32),
            shared_audio=shared_audio.features.astype(jnp.float32),
            specific_video=seen.pooled,
            specific_audio=heard.pooled,
            predicted_video=predicted_video,
            predicted_audio=predicted_audio,
            fused=fused,
            sync_curve=curve,
            clip_scale=_scale(self.log_clip_scale),
            frame_scale=_scale(self.log_frame_scale),
            clip_bias=jnp.float32(0.0) if self.clip_bias is None else self.clip_bias[...],
        )

    def _verdict(
        self,
        fused: Float[Array, " b"],
        heads: Mapping[Head, tuple[Float[Array, " b"], Bool[Array, " b"]]],
    ) -> Float[Array, " b"]:
        if self.config.verdict == "fusion" or not self._taught:
            return fused
        return joint_verdict(fused, [heads[name] for name in self._taught])

    def merge_adapters(self) -> None:
        """Merges the adapters of the specific path's own towers; see `lora.merge_adapters`.

        Those of a tower that the alignment path also runs through without them stay.
        """
        for tower in (self.specific_video_tower, self.specific_audio_tower):
            if tower is not None:
                merge_adapters(tower)

    def alignment_features(self, clip: Clip) -> tuple[Float[Array, "b k d"], Float[Array, "b n c"]]:
        """What the alignment path's towers make of a batch: V0 and, at 50 Hz, A0."""
        seen, heard = clip.video_features, clip.audio_features
        if seen is None:
            seen = self._alignment_frames(clip)
        if heard is None:
            heard = _hear(self.audio_tower, clip, self.config.audio.width).features
        return seen, heard

    def _alignment_frames(self, clip: Clip) -> Float[Array, "b k d"]:
        """V0."""
        if isinstance(self.video_tower, LipsTower):
            return self.video_tower(clip.align_frames, clip.align_mask)
        return _see(self.video_tower, clip.align_frames, self.config.align_video.width)

    def _alignment_tracks(self, clip: Clip) -> tuple[Track, Track]:
        """V0 at the alignment frames, and A0 on the 25 Hz grid."""
        seen, heard = self.alignment_features(clip)
        video = Track(seen, clip.align_times + 0.5 / FRAME_RATE, clip.align_mask)
        audio = _sound_track(heard, clip)
        return video, _pool_sound(audio, clip, clip.waveform_mask.shape[1])

    def _specific_frames(self, clip: Clip) -> Track:
        """Uv at the face frames."""
        width = (self.config.own_video or self.config.video).width
        tower = self.specific_video_tower or self.video_tower
        assert not isinstance(tower, LipsTower)  # then the specific path has a tower of its own
        features = _see(tower, clip.frames, width, adapted=True)
        return Track(features, clip.frame_times + 0.5 / FRAME_RATE, clip.frame_mask)

    def _specific_sound(self, clip: Clip) -> Track:
        """Ua in t equal bins that tile the window, one for each face frame."""
        width = (self.config.own_audio or self.config.audio).width
        tower = self.specific_audio_tower or self.audio_tower
        audio = _hear(tower, clip, width, adapted=True)
        return _pool_sound(audio, clip, clip.frame_mask.shape[1])

    def _texture(self, clip: Clip) -> Float[Array, "b n"] | None:
        if not self.config.texture_statistics:
            return None
        return texture.texture_statistics(clip.frames, clip.frame_mask)

    def _voice(self, clip: Clip) -> Float[Array, "b n"] | None:
        if not self.config.voice_statistics:
            return None
        return voice.voice_statistics(clip.waveform, clip.waveform_mask)


class _TowerFactory:
    """Builds a tower with the configuration's options, or None where there is none to build."""

    def __init__(self, config: CADConfig, rngs: nnx.Rngs) -> None:
        self.config, self.rngs = config, rngs

    def alignment_vision(self, *, adapted: bool) -> ViT | LipsTower | None:
        tower = self.config.align_video
        if isinstance(tower, ViTConfig):
            return self.vision(tower, adapted=adapted)
        if self.config.streams == "audio":
            return None
        return LipsTower(tower, **self._options())

    def vision(self, tower: ViTConfig | None, *, adapted: bool) -> ViT | None:
        if tower is None or self.config.streams == "audio":
            return None
        return ViT(tower, lora=self._lora(adapted), **self._options())

    def audio(self, tower: WhisperConfig | None, *, adapted: bool) -> WhisperEncoder | None:
        if tower is None or self.config.streams == "video":
            return None
        return WhisperEncoder(tower, lora=self._lora(adapted), **self._options())

    def _lora(self, adapted: bool) -> LoRAConfig:
        return self.config.lora if adapted else NO_LORA

    def _options(self) -> dict[str, Any]:
        return {
            "dtype": self.config.compute_dtype,
            "remat": self.config.remat,
            "rngs": self.rngs,
        }


def _see(
    tower: ViT | None, frames: UInt8[Array, "b t h w 3"], width: int, adapted: bool = False
) -> Float[Array, "b t d"]:
    """The tower's pooled features of every frame; zeros without a tower."""
    batch, count = frames.shape[:2]
    if tower is None:
        return jnp.zeros((batch, count, width))
    _, pooled = tower(frames.reshape(batch * count, *frames.shape[2:]), adapted)
    return pooled.reshape(batch, count, width)


def _hear(tower: WhisperEncoder | None, clip: Clip, width: int, adapted: bool = False) -> Track:
    """The tower's tokens of the sound, at 50 Hz; zeros without a tower."""
    if tower is None:
        tokens = clip.waveform_mask.shape[1] * TOKEN_RATE // FRAME_RATE
        return _sound_track(jnp.zeros((clip.waveform.shape[0], tokens, width)), clip)
    return _sound_track(tower(log_mel(clip.waveform, tower.config.mels), adapted), clip)


def _sound_track(features: Float[Array, "b n c"], clip: Clip) -> Track:
    """Tokens with the times and the mask that those of this clip have."""
    mask = jnp.repeat(clip.waveform_mask, TOKEN_RATE // FRAME_RATE, axis=1)
    return Track(features, bin_centres(mask.shape[1], clip.seconds, mask.shape[0]), mask)


def _pool_sound(audio: Track, clip: Clip, bins: int) -> Track:
    """Pool 50 Hz tokens into equal bins that tile the window."""
    centres = bin_centres(bins, clip.seconds, audio.mask.shape[0])
    return time_pool(audio, step=1 / TOKEN_RATE, centres=centres, width=clip.seconds / bins)


def _log_scale(temperature: float) -> nnx.Param:
    return nnx.Param(jnp.asarray(-np.log(temperature), jnp.float32))


def _scale(log_scale: nnx.Param) -> Float[Array, ""]:
    # Capped before exp: the gradient of a minimum compares bits, and exp may be computed twice.
    return jnp.exp(jnp.minimum(log_scale[...], np.float32(np.log(LARGEST_SCALE))))
