"""The training step in PyTorch, for timing beside ours: losses, gradient, clipping, AdamW.

Of the batches that `torch_model` is for. Needs the extra `[parity]`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch  # type: ignore[import-not-found]
import torch.nn.functional as F  # type: ignore[import-not-found]

from cad_jax.lab.torch_model import IMAGE_PATCH, Scope, Tensors, at_offsets, cad, constants, unit
from cad_jax.models.stems import MEL_PATCH
from cad_jax.models.sync import OFFSETS
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.loss import LossConfig
from cad_jax.settings.model import CADConfig


class TorchStep:
    """A model under training in PyTorch.

    On a GPU (`cuda`) the loss is compiled, on the CPU it is eager. It runs under autocast where the
    model's compute dtype is bfloat16. Frozen parameters are stored as the model stores them.

    Args:
        config: the experiment.
        trainable: our parameters that are trained, by name.
        frozen: the others.
        decays: weight decay of each trainable parameter.
        rates: learning rate of each step.
        device: PyTorch's name of it.
    """

    def __init__(
        self,
        config: Experiment,
        trainable: Mapping[str, np.ndarray],
        frozen: Mapping[str, np.ndarray],
        decays: Mapping[str, float],
        rates: Sequence[float],
        device: str,
    ) -> None:
        self._config, self._rates, self._taken = config, rates, 0
        self._device = device
        self._loss = torch.compile(self._eager_loss) if device == "cuda" else self._eager_loss

        def tensor(name: str, value: np.ndarray) -> torch.Tensor:
            stored = getattr(torch, str(value.dtype))
            return from_ours(name, value, config.model).to(device, stored)

        made = constants(config.model, config.data.clip.seconds)
        tensors = {name: value.to(device) for name, value in made.items()}
        tensors |= {name: tensor(name, value) for name, value in frozen.items()}
        self._trained = {name: tensor(name, value) for name, value in trainable.items()}
        for parameter in self._trained.values():
            parameter.requires_grad_()
        self._parameters = Scope(tensors | self._trained)
        o = config.optimizer
        groups = [
            {
                "params": [self._trained[name] for name in decays if decays[name] == decay],
                "weight_decay": decay,
            }
            for decay in set(decays.values())
        ]
        self._optimizer = torch.optim.AdamW(
            groups, betas=(o.b1, o.b2), eps=o.eps, lr=o.learning_rate, fused=True
        )

    def __call__(self, batch: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes one step; its loss and the norm of its gradient, before clipping."""
        self._optimizer.zero_grad()
        loss = self._loss(batch)
        loss.backward()
        clip = self._config.optimizer.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self._trained.values(), clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rates[self._taken]
        self._optimizer.step()
        self._taken += 1
        return loss.detach(), norm

    def wait(self) -> None:
        """Until all steps are taken."""
        if self._device == "cuda":
            torch.cuda.synchronize()

    def _eager_loss(self, batch: Tensors) -> torch.Tensor:
        rounded = self._config.model.compute_dtype == "bfloat16"
        with torch.autocast(self._device, torch.bfloat16, enabled=rounded):
            outputs = cad(self._parameters, self._config.model, batch)
        return objective(outputs, batch, self._config.loss)


def objective(x: Tensors, batch: Tensors, config: LossConfig) -> torch.Tensor:
    """The weighted sum of the objective's terms; those of weight 0 are not computed."""
    terms = {
        "cls": lambda: verdict(x["logit"], batch["label"]),
        "uni": lambda: sum(
            verdict(logit, batch[f"label_{modality}"])
            for modality in ("video", "audio")
            for logit in x[f"specific_logits_{modality}"].T
        ),
        "align_clip": lambda: clip_info_nce(x),
        "align_frame": lambda: frame_info_nce(x, config.offset_near),
        "kl": lambda: alignment_kl(x, config.kl_temperature),
        "distill_feature": lambda: feature(x, "video") + feature(x, "audio"),
        "distill_response": lambda: (
            response(x, "video", config.distill_temperature)
            + response(x, "audio", config.distill_temperature)
        ),
        "mismatch": lambda: verdict(x["logit_mismatch"], 1 - batch["label_sync"]),
    }
    weights = {name: getattr(config, name) for name in terms}
    return torch.stack([weight * terms[name]() for name, weight in weights.items() if weight]).sum()


def verdict(logit: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logit, label.float())


def clip_info_nce(x: Tensors) -> torch.Tensor:
    frames, width = x["z_video"].shape[1:]
    at = x["grid_index"][..., None].expand(-1, -1, width)
    video, audio = x["z_video"].flatten(1), x["z_audio"].gather(1, at).flatten(1)
    logits = x["clip_scale"] * video @ audio.T / frames
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def frame_info_nce(x: Tensors, near: int) -> torch.Tensor:
    logits = x["frame_scale"] * (x["z_video"] @ x["z_audio"].transpose(1, 2))
    logits, inside = at_offsets(logits, x["grid_index"])
    offsets = torch.tensor(OFFSETS, device=logits.device).abs()
    candidate = inside & ((offsets > near) | (offsets == 0))
    logits = torch.where(candidate, logits, -1e30).flatten(0, 1)
    return F.cross_entropy(
        logits, logits.new_full((len(logits),), len(OFFSETS) // 2, dtype=torch.long)
    )


def alignment_kl(x: Tensors, temperature: float) -> torch.Tensor:
    p, q = (F.log_softmax(x[f"shared_{name}"] / temperature, -1) for name in ("video", "audio"))
    return (p.exp() * (p - q)).sum(-1).mean()


def feature(x: Tensors, name: str) -> torch.Tensor:
    target = unit(x[f"specific_{name}"].detach())
    return -(unit(x[f"predicted_{name}"]) * target).sum(-1).mean()


def response(x: Tensors, name: str, temperature: float) -> torch.Tensor:
    student = x[f"student_logit_{name}"] / temperature
    teacher = x[f"logit_{name}"].detach() / temperature
    target = torch.sigmoid(teacher)
    return temperature**2 * (verdict(student, target) - verdict(teacher, target))


def from_ours(name: str, value: np.ndarray, config: CADConfig) -> torch.Tensor:
    """A parameter in PyTorch's layout: outputs before inputs, channels before height and width."""
    tensor = torch.from_numpy(np.array(value, np.float32))
    if not name.endswith(("/kernel", "/lora_a", "/lora_b")):
        return tensor
    if patch := _patch(name, config):  # our linear map of patches is a convolution there
        tensor = tensor.unflatten(0, (*patch, -1))
    order = (tensor.ndim - 1, tensor.ndim - 2, *range(tensor.ndim - 2))
    return tensor.permute(order).contiguous()


def _patch(name: str, config: CADConfig) -> tuple[int, int] | None:
    tower, _, layer = name.partition("/")
    vit = {"video_tower": config.video, "specific_video_tower": config.specific_video}.get(tower)
    if layer == "stem/convs/first/kernel":
        return IMAGE_PATCH if vit else MEL_PATCH
    if vit is None or vit.stem != "patch" or layer != "stem/embedding/kernel":
        return None
    return vit.patch_size, vit.patch_size
