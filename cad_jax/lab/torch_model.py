"""The detector in PyTorch, for timing beside ours: the same parameters by the same names.

Written as PyTorch would have it: rows of output features in linear layers, channels before height
and width, its own attention, convolutions and STFT. Only for batches as `step_timing` makes them:
every clip whole, genuine and in sync, so that no mask is needed, which spares PyTorch that work.
Letters are those of `models`. Needs the extra `[parity]`.
"""

import math

import torch  # type: ignore[import-not-found]
import torch.nn.functional as F  # type: ignore[import-not-found]

from cad_jax.models import texture
from cad_jax.models.log_mel import DYNAMIC_RANGE, FLOOR, HOP, WINDOW, mel_filters
from cad_jax.models.stems import MEL_PATCH
from cad_jax.models.sync import NEAR, OFFSETS
from cad_jax.models.tracks import LONGEST_PERIOD, SHORTEST_PERIOD
from cad_jax.models.vit import BINOMIAL, CLIP_MEAN, CLIP_STD, RESIDUAL_GAIN
from cad_jax.models.voice import BANDS, HOPS, MIDDLES, NEPERS, SPREAD
from cad_jax.models.whisper import TOKEN_RATE, sinusoids
from cad_jax.numerics import NORM_FLOOR
from cad_jax.settings.model import CADConfig, ViTConfig, WhisperConfig
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

Tensors = dict[str, torch.Tensor]

IMAGE_PATCH = (4, 4)  # pixels of the convolutional stem's first map


class Scope:
    """The parameters below a name: `scope("attention")["kernel"]`."""

    def __init__(self, tensors: Tensors, prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def __call__(self, name: str) -> "Scope":
        return Scope(self._tensors, f"{self._prefix}{name}/")

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[self._prefix + name]

    def get(self, name: str) -> torch.Tensor | None:
        return self._tensors.get(self._prefix + name)

    def each(self, name: str) -> list["Scope"]:
        """The scopes `name/0`, `name/1`, ..."""
        start = f"{self._prefix}{name}/"
        numbers = {
            key[len(start) :].split("/")[0] for key in self._tensors if key.startswith(start)
        }
        return [self(f"{name}/{number}") for number in sorted(numbers, key=int)]


def constants(config: CADConfig, seconds: float) -> Tensors:
    """What of the detector is no parameter, by name; made before the rest is compiled."""
    towers = {"audio_tower": config.audio} | (
        {"specific_audio_tower": config.own_audio} if config.own_audio else {}
    )
    made = {
        f"{name}/positions": sinusoids(round(seconds * TOKEN_RATE), tower.width)
        for name, tower in towers.items()
    } | {f"mel_filters/{tower.mels}": mel_filters(tower.mels) for tower in towers.values()}
    return {name: torch.from_numpy(value) for name, value in made.items()}


def cad(p: Scope, config: CADConfig, batch: Tensors) -> Tensors:
    """What the losses need of the detector's outputs, by the names of `types.Outputs`."""
    apart = batch["mouth_frames"].shape[1] > 0
    frames = batch["mouth_frames"] if apart else batch["frames"]
    times = batch["mouth_times"] if apart else batch["frame_times"]
    clips, count = batch["frames"].shape[:2]
    seconds = batch["waveform"].shape[1] / SAMPLE_RATE
    bins = batch["waveform_mask"].shape[1]
    own = config.own_audio or config.audio
    mel = {
        mels: log_mel(batch["waveform"], p[f"mel_filters/{mels}"])
        for mels in {config.audio.mels, own.mels}
    }

    seen = vit(p("video_tower"), config.video, frames.flatten(0, 1), 0.0).unflatten(0, (clips, -1))
    heard = whisper(p("audio_tower"), config.audio, mel[config.audio.mels], 0.0)
    heard = pool_time(heard, seconds, centres(bins, seconds, heard), seconds / bins)
    hidden_video, z_video = project(p("align_video"), seen, config.centre_time)
    hidden_audio, z_audio = project(p("align_audio"), heard, config.centre_time)
    grid = (times * FRAME_RATE).round().long().clamp(0, bins - 1)
    curve = sync_curve(z_video, z_audio, grid)

    shown = times + 0.5 / FRAME_RATE
    shared_video, shared_audio = cross(
        p("cross_attention"), config.heads, (hidden_video, shown), (hidden_audio, bins, seconds)
    )
    shared_audio = pool_time(shared_audio, seconds, shown, seconds / times.shape[1])

    adapter = config.lora.alpha / config.lora.rank if config.lora.rank else 0.0
    tower = p("specific_video_tower" if config.own_video else "video_tower")
    face = vit(tower, config.own_video or config.video, batch["frames"].flatten(0, 1), adapter)
    face = face.unflatten(0, (clips, -1))
    tower = p("specific_audio_tower" if config.own_audio else "audio_tower")
    sound_times = centres(count, seconds, times)
    sound = whisper(tower, own, mel[own.mels], adapter)
    sound = pool_time(sound, seconds, sound_times, seconds / count)
    whole_video = texture_statistics(batch["frames"]) if config.texture_statistics else None
    whole_audio = voice_statistics(batch["waveform"]) if config.voice_statistics else None
    face_times = batch["frame_times"] + 0.5 / FRAME_RATE
    seen_track, judged_video, seen_pooled = specific(
        p("specific_video"), face, face_times, whole_video
    )
    heard_track, judged_audio, heard_pooled = specific(
        p("specific_audio"), sound, sound_times, whole_audio
    )

    tracks = [(shared_video, shown), (shared_audio, shown), seen_track, heard_track]
    fused = fuse(p("fusion"), config.heads, tracks, curve)
    fixed = [(features.detach(), at) for features, at in tracks]
    student = fuse(p("fusion"), config.heads, fixed, curve.detach())
    outputs = {
        "logit": linear(p("logit"), fused)[:, 0],
        "logit_video": judged_video.mean(1),
        "logit_audio": judged_audio.mean(1),
        "specific_logits_video": judged_video,
        "specific_logits_audio": judged_audio,
        "logit_mismatch": mismatch(p("mismatch"), curve),
        "z_video": z_video,
        "z_audio": z_audio,
        "grid_index": grid,
        "shared_video": shared_video,
        "shared_audio": shared_audio,
        "specific_video": seen_pooled,
        "specific_audio": heard_pooled,
        "clip_scale": p["log_clip_scale"].exp().clamp(max=100.0),
        "frame_scale": p["log_frame_scale"].exp().clamp(max=100.0),
    }
    for name in ("video", "audio"):
        head = p(f"student_{name}")
        guess = head("predictor")
        narrow = F.gelu(norm(guess("norm"), linear(guess("up"), student)))
        outputs[f"predicted_{name}"] = linear(guess("down"), narrow)
        outputs[f"student_logit_{name}"] = linear(head("logit"), student)[:, 0]
    return outputs


def linear(p: Scope, x: torch.Tensor, adapter: float = 0.0) -> torch.Tensor:
    y = F.linear(x, p["kernel"], p.get("bias"))
    if adapter and (down := p.get("lora_a")) is not None:
        y = y + adapter * F.linear(F.linear(x, down), p["lora_b"])
    return y


def norm(p: Scope, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], p["scale"], p["bias"], 1e-5)


def unit(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + NORM_FLOOR)


def attention(
    p: Scope, heads: int, x: torch.Tensor, context: torch.Tensor, adapter: float = 0.0
) -> torch.Tensor:
    def split(name: str, tokens: torch.Tensor) -> torch.Tensor:
        return linear(p(name), tokens, adapter).unflatten(-1, (heads, -1)).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        split("query", x), split("key", context), split("value", context)
    )
    return linear(p("out"), mixed.transpose(1, 2).flatten(2), adapter)


def mlp(p: Scope, x: torch.Tensor, adapter: float = 0.0, quick: bool = False) -> torch.Tensor:
    x = linear(p("up"), x, adapter)
    return linear(p("down"), x * torch.sigmoid(1.702 * x) if quick else F.gelu(x), adapter)


def blocks(
    p: Scope, heads: int, x: torch.Tensor, adapter: float = 0.0, quick: bool = False
) -> torch.Tensor:
    for block in p.each("blocks"):
        normed = norm(block("attention_norm"), x)
        x = x + attention(block("attention"), heads, normed, normed, adapter)
        x = x + mlp(block("mlp"), norm(block("mlp_norm"), x), adapter, quick)
    return x


def vit(p: Scope, config: ViTConfig, images: torch.Tensor, adapter: float) -> torch.Tensor:
    """Pooled features of uint8 images [f h w 3]."""
    x = pixels(images, config.residual)
    if config.stem == "patch":
        x = F.conv2d(x, p("stem/embedding")["kernel"], stride=config.patch_size)
        x = x.flatten(2).transpose(1, 2)
    else:
        x = conv_stack(p("stem/convs"), x, IMAGE_PATCH, (2, 2)).flatten(2).transpose(1, 2)
        x = linear(p("stem/embedding"), x)
    if config.pool == "class":
        x = torch.cat([p["class_embedding"].expand(len(x), 1, -1), x], 1)
    x = norm(p("ln_pre"), x + p["position_embedding"])
    x = blocks(p, config.heads, x, adapter, config.activation == "quick_gelu")
    if config.pool == "class":
        return norm(p("ln_post"), x[:, 0])
    x = norm(p("ln_post"), x)
    return linear(p("pool"), torch.cat([x.mean(1), x.amax(1)], -1))


def pixels(images: torch.Tensor, residual: bool) -> torch.Tensor:
    """[f c h w] of uint8 [f h w 3]."""
    x = images.permute(0, 3, 1, 2).float().contiguous() / 255.0
    mean, std = (
        torch.from_numpy(value).to(x.device)[:, None, None] for value in (CLIP_MEAN, CLIP_STD)
    )
    colours = (x - mean) / std
    if not residual:
        return colours
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
    rows, blurred = torch.zeros_like(padded[:, :, : x.shape[2]]), torch.zeros_like(x)
    for shift, weight in enumerate(BINOMIAL):
        rows += weight * padded[:, :, shift : shift + x.shape[2]]
    for shift, weight in enumerate(BINOMIAL):
        blurred += weight * rows[..., shift : shift + x.shape[3]]
    high = RESIDUAL_GAIN * (x - blurred)
    return torch.cat([colours, high, high.abs()], 1)


def conv_stack(
    p: Scope, x: torch.Tensor, patch: tuple[int, int], strides: tuple[int, int]
) -> torch.Tensor:
    first, *norms = p.each("norms")
    x = F.conv2d(x, p("first")["kernel"], p("first")["bias"], stride=patch)
    x = F.gelu(F.group_norm(x, 1, first["scale"], first["bias"], 1e-6))
    # XLA's "same": what a stride of 2 needs stands at the end.
    pad = [side for stride in reversed(strides) for side in ((1, 1) if stride == 1 else (0, 1))]
    for conv, after in zip(p.each("convs"), norms, strict=True):
        x = F.conv2d(F.pad(x, pad), conv["kernel"], conv["bias"], stride=strides)
        x = F.gelu(F.group_norm(x, 1, after["scale"], after["bias"], 1e-6))
    return x


def log_mel(waveform: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """[b m r], as Whisper's feature extractor computes it."""
    window = torch.hann_window(WINDOW, device=waveform.device)
    spectrum = torch.stft(waveform, WINDOW, HOP, window=window, return_complex=True)[..., :-1]
    return decades(filters @ spectrum.abs() ** 2)


def decades(power: torch.Tensor) -> torch.Tensor:
    log_power = power.clamp(min=FLOOR).log10()
    loudest = log_power.amax((1, 2), keepdim=True)
    return (torch.maximum(log_power, loudest - DYNAMIC_RANGE) + 4.0) / 4.0


def whisper(p: Scope, config: WhisperConfig, mel: torch.Tensor, adapter: float) -> torch.Tensor:
    if config.stem == "time":
        first, second = p("stem/conv1"), p("stem/conv2")
        x = F.gelu(F.conv1d(mel, first["kernel"], first["bias"], padding=1))
        x = F.gelu(F.conv1d(x, second["kernel"], second["bias"], stride=2, padding=1))
        x = x.transpose(1, 2)
    else:
        x = mel - mel.mean(2, keepdim=True)
        x = x / (x.std((1, 2), keepdim=True, correction=0) + 1e-3)
        x = conv_stack(p("stem/convs"), x.transpose(1, 2)[:, None], MEL_PATCH, (1, 2))
        x = linear(p("stem/embedding"), torch.cat([x.mean(3), x.amax(3)], 1).transpose(1, 2))
    x = x + p["positions"]
    return norm(p("ln_post"), blocks(p, config.heads, x, adapter))


def texture_statistics(frames: torch.Tensor) -> torch.Tensor:
    """As `models.texture.texture_statistics`, of clips whose frames all exist."""
    luma = frames.float() @ torch.tensor(texture.LUMA, device=frames.device)
    side = texture.BLOCK
    number = torch.arange(side, device=frames.device)
    dct = F.normalize((math.pi / side * number[:, None] * (number + 0.5)).cos())
    blocks = luma.unflatten(3, (-1, side)).unflatten(2, (-1, side))
    power = torch.einsum("btrycx,uy,vx->btuvrc", blocks, dct, dct).square() + texture.FLOOR
    power = F.adaptive_avg_pool2d(power.log().mean(1).flatten(1, 2), texture.PLACES)
    band = (number[:, None] + number).flatten()
    bands = [power[:, band == number].mean(1) for number in range(1, 2 * side - 1)]
    slope = torch.stack(bands, -1).diff(dim=-1)
    slope = slope - slope.mean((1, 2), keepdim=True)
    return (slope / torch.tensor(texture.SPREADS, device=frames.device)).flatten(1)


def voice_statistics(waveform: torch.Tensor) -> torch.Tensor:
    """As `models.voice.voice_statistics`, of clips that sound throughout."""
    groups = []
    for window, hop in HOPS.items():
        shape = torch.hann_window(window, device=waveform.device)
        spectrum = torch.stft(waveform, window, hop, window=shape, return_complex=True)
        x = decades(spectrum[:, :-1, :-1].abs().square())
        loudness = x.mean(1)
        weight = torch.sigmoid(NEPERS * (loudness - loudness.mean(1, keepdim=True)))[:, None]
        variance = _weighted((x - _weighted(x, weight)[..., None]).square(), weight)
        change = _weighted(x.diff(dim=2).abs(), weight[..., 1:] * weight[..., :-1])
        slope = _weighted(x.diff(dim=1, append=x[:, -1:]).abs(), weight)
        for statistic, middle in zip(
            ((variance + 1e-6).sqrt(), change, slope), MIDDLES, strict=True
        ):
            groups.append((statistic.unflatten(1, (BANDS, -1)).mean(2) - middle) / SPREAD)
    return torch.cat(groups, 1)


def _weighted(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (x * weight).sum(2) / weight.sum(2)


def centres(bins: int, seconds: float, like: torch.Tensor) -> torch.Tensor:
    """Of as many clips as there are in `like`, on its device."""
    numbers = torch.arange(bins, device=like.device)
    return ((numbers + 0.5) * (seconds / bins)).expand(len(like), bins)


def pool_time(x: torch.Tensor, seconds: float, at: torch.Tensor, width: float) -> torch.Tensor:
    """Means of the tokens [b n d] that tile the window, over bins of a width around `at` [b j]."""
    step = seconds / x.shape[1]
    times = centres(x.shape[1], seconds, x)[:, None]
    starts = torch.maximum(times - step / 2, at[..., None] - width / 2)
    ends = torch.minimum(times + step / 2, at[..., None] + width / 2)
    weights = (ends - starts).clamp(min=0.0)
    return (weights / weights.sum(-1, keepdim=True)) @ x


def time_embedding(seconds: torch.Tensor, width: int) -> torch.Tensor:
    exponents = torch.linspace(0.0, 1.0, width // 2, device=seconds.device)
    periods = SHORTEST_PERIOD * (LONGEST_PERIOD / SHORTEST_PERIOD) ** exponents
    angles = 2 * math.pi * seconds[..., None] / periods
    return torch.cat([angles.sin(), angles.cos()], -1)


def project(p: Scope, x: torch.Tensor, centre: bool) -> tuple[torch.Tensor, torch.Tensor]:
    hidden = linear(p("input"), norm(p("input_norm"), x))
    for conv in p.each("convs"):
        kernel, bias = conv("conv")["kernel"], conv("conv")["bias"]
        moved = F.gelu(norm(conv("norm"), hidden)).transpose(1, 2)
        hidden = hidden + F.conv1d(moved, kernel, bias, padding="same").transpose(1, 2)
    z = linear(p("embedding"), F.gelu(norm(p("norm"), hidden)))
    return hidden, unit(z - z.mean(1, keepdim=True) if centre else z)


def cross(
    p: Scope,
    heads: int,
    video: tuple[torch.Tensor, torch.Tensor],
    audio: tuple[torch.Tensor, int, float],
) -> tuple[torch.Tensor, torch.Tensor]:
    seen, shown = video
    heard, bins, seconds = audio
    x = seen + time_embedding(shown, seen.shape[-1])
    y = heard + time_embedding(centres(bins, seconds, heard), heard.shape[-1])

    def block(q: Scope, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        normed = norm(q("norm"), x)
        x = x + attention(q("attention"), heads, normed, norm(q("context_norm"), context))
        return x + mlp(q("mlp"), norm(q("mlp_norm"), x))

    for one, other in zip(p.each("video_blocks"), p.each("audio_blocks"), strict=True):
        x, y = block(one, x, y), block(other, y, x)
    return x, y


def sync_curve(z_video: torch.Tensor, z_audio: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    cosine, inside = at_offsets(z_video @ z_audio.transpose(1, 2), grid)
    count = inside.sum(1)
    mean = (cosine * inside).sum(1) / count.clamp(min=1)
    return torch.where((count > 0) & (2 * count >= count.amax(1, keepdim=True)), mean, -1.0)


def at_offsets(values: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of [b k g] those around each frame's bin [b k o], and which are inside the grid."""
    bins = grid[..., None] + torch.tensor(OFFSETS, device=grid.device)
    inside = (bins >= 0) & (bins < values.shape[2])
    return values.gather(2, bins.clamp(0, values.shape[2] - 1)), inside


def mismatch(p: Scope, curve: torch.Tensor) -> torch.Tensor:
    near = torch.tensor(OFFSETS, device=curve.device).abs() <= NEAR
    margin = curve[:, near].amax(1) - curve[:, ~near].amax(1)
    return p["bias"] - F.softplus(p["slope"]) * margin


def specific(
    p: Scope, x: torch.Tensor, times: torch.Tensor, whole: torch.Tensor | None
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Features with their times, judgements [b v], and the clip's representation."""
    features = norm(p("norm"), linear(p("projection"), x))
    logits = linear(p("logit"), features)[..., 0]
    logits = (logits.logsumexp(1) - math.log(logits.shape[1]))[:, None]
    pooled = features.mean(1)
    if whole is None:
        return (features, times), logits, pooled
    p = p("whole")
    token = norm(p("norm"), linear(p("projection"), whole))
    track = torch.cat([features, token[:, None]], 1), torch.cat([times, times.mean(1, True)], 1)
    return track, torch.cat([logits, linear(p("logit"), token)], 1), (pooled + token) / 2


def fuse(
    p: Scope,
    heads: int,
    tracks: list[tuple[torch.Tensor, torch.Tensor]],
    curve: torch.Tensor,
) -> torch.Tensor:
    sync = linear(p("sync_token"), curve)
    first = torch.stack([p["class_embedding"].expand_as(sync), sync], 1)
    tokens = [
        norm(scope, x) + time_embedding(times, x.shape[-1]) + kind
        for scope, (x, times), kind in zip(
            p.each("input_norms"), tracks, p["modality_embedding"], strict=True
        )
    ]
    return norm(p("ln_post"), blocks(p, heads, torch.cat([first, *tokens], 1))[:, 0])
