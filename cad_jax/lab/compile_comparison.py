"""Our towers beside towers written from scratch, under one compiler of an accelerator.

Owns how the two are compared: the same shapes, dtypes, mesh and compiler, the gradient of the
adapters, in one process. Needs no device; see `topology`.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from cad_jax.flops import count_flops
from cad_jax.lab.compile_report import compile_lowered
from cad_jax.lab.reference_tower import ReferenceTower, stacked
from cad_jax.lab.topology import topology_devices
from cad_jax.lab.traffic import moves
from cad_jax.models.functional import FunctionalModel
from cad_jax.models.log_mel import HOP
from cad_jax.models.lora import is_adapter
from cad_jax.models.vit import ViT
from cad_jax.models.whisper import WhisperEncoder
from cad_jax.parallel.mesh import batch_sharding, replicated
from cad_jax.run.placement import Placement, experiment_mesh, make_model
from cad_jax.settings.experiment import Experiment
from data_pipelines.errors import UserError

Shapes = Mapping[str, jax.ShapeDtypeStruct]
Forward = Callable[[Mapping[str, jax.Array], jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Tower:
    """One tower of an experiment in both forms.

    Attributes:
        name: of its parameters in the detector.
        ours, plain: forward passes of (parameters, inputs).
        params: of ours, without the tower's name; of the plain form by `stacked`.
        inputs: a batch.
    """

    name: str
    ours: Forward
    plain: Forward
    params: Shapes
    inputs: jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class TowerCost:
    """What a compiler makes of one tower's forward and backward pass, on one device.

    Attributes:
        flops: of the definition, recomputation included.
        accessed: bytes of all operands and results, wherever they lie; see `traffic`.
        moved: those of them to and from the device's main memory.
        temporary: bytes that it needs besides its arguments.
        seconds: of processors, for lowering and compiling.
    """

    flops: float
    accessed: int
    moved: int
    temporary: int
    seconds: float

    @property
    def bytes_per_flop(self) -> float:
        """Accessed, by FLOP of the definition."""
        return self.accessed / self.flops

    def line(self, name: str) -> str:
        """The figures for people."""
        return (
            f"{name:19} {self.flops / 1e9:8,.0f} GFLOP  {1e3 * self.bytes_per_flop:6.2f} bytes a "
            f"kFLOP  {self.moved / 1e9:7.2f} GB moved  {self.temporary / 1e6:6,.0f} MB temporaries"
            f"  {self.seconds:4.0f} CPU s"
        )

    def ratios(self, plain: "TowerCost") -> str:
        """Ours, by the plain form's."""
        return (
            f"{'ratio':19} {_ratio(self.flops, plain.flops):8.2f}        "
            f"{_ratio(self.bytes_per_flop, plain.bytes_per_flop):6.2f}               "
            f"{_ratio(self.moved, plain.moved):7.2f}           "
            f"{_ratio(self.temporary, plain.temporary):6.2f}                 "
            f"{_ratio(self.seconds, plain.seconds):4.2f}"
        )


def _ratio(ours: float, plain: float) -> float:
    return ours / plain if plain else math.nan


def compare_towers(config: Experiment, topology: str) -> Iterator[str]:
    """Compiles both forms of both towers as a training would; lines for people.

    Args:
        config: towers, adapters, batch and mesh; neither data nor weights are read.
        topology: devices that are not at hand, see `topology_devices`.

    Raises:
        UserError: as `towers` and `topology_devices`.
    """
    devices = topology_devices(topology, config.mesh.slices)
    mesh = experiment_mesh(config, devices)
    for tower in towers(config, mesh):
        ours = _cost(tower.ours, tower.params, tower.inputs, mesh)
        yield ours.line(f"{tower.name}, ours")
        plain = _cost(tower.plain, _stacked_shapes(tower.params, mesh), tower.inputs, mesh)
        yield plain.line(f"{tower.name}, plain")
        yield ours.ratios(plain)


def towers(config: Experiment, mesh: Mesh) -> list[Tower]:
    """The picture's and the sound's tower, adapted.

    Raises:
        UserError: they are of another kind than the reference, or the batch does not divide.
    """
    model, clip, clips = config.model, config.data.clip, config.data.batch_size
    video, audio = model.video, model.audio
    clips_kind = (video.stem, video.pool, video.residual) == ("patch", "class", False)
    if not clips_kind or audio.stem != "time" or model.specific_towers or not model.lora.rank:
        raise UserError("the reference is CLIP's and Whisper's kind with adapters, as of size=b16")
    targets = Placement(config, mesh, make_model(config)).targets
    options = {"lora": model.lora, "dtype": model.compute_dtype, "remat": model.remat}
    scale = model.lora.alpha / model.lora.rank

    def params(tower: str) -> Shapes:
        begin = f"{tower}/"
        return {n.removeprefix(begin): leaf for n, leaf in targets.items() if n.startswith(begin)}

    def inputs(shape: tuple[int, ...], dtype: type) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=batch_sharding(mesh))

    see = _functional(lambda rngs: ViT(video, **options, rngs=rngs), mesh)
    hear = _functional(lambda rngs: WhisperEncoder(audio, **options, rngs=rngs), mesh)
    side = video.image_size
    return [
        Tower(
            "video_tower",
            lambda params, images: see(params, images)[1],
            ReferenceTower(video, scale, model.compute_dtype).see,
            params("video_tower"),
            inputs((clips * clip.frames, side, side, 3), jnp.uint8),
        ),
        Tower(
            "audio_tower",
            hear,
            ReferenceTower(audio, scale, model.compute_dtype).hear,
            params("audio_tower"),
            inputs((clips, audio.mels, clip.num_samples // HOP), jnp.float32),
        ),
    ]


def adapter_gradient(forward: Forward) -> Callable[..., jax.Array]:
    """(adapters, other parameters, inputs) -> gradient of the outputs' mean square by adapters."""
    return jax.grad(
        lambda adapters, others, x: jnp.mean(jnp.square(forward({**others, **adapters}, x)))
    )


def _functional(build: Callable[[nnx.Rngs], nnx.Module], mesh: Mesh) -> Callable[..., Any]:
    model = FunctionalModel.create(build)

    def forward(params: Mapping[str, jax.Array], x: jax.Array) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return model.merge(params)(x, adapted=True)

    return forward


def _stacked_shapes(params: Shapes, mesh: Mesh) -> Shapes:
    # Whole on every device, as they are without fsdp.
    return {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated(mesh))
        for name, leaf in jax.eval_shape(stacked, params).items()
    }


def _cost(forward: Forward, params: Shapes, inputs: jax.ShapeDtypeStruct, mesh: Mesh) -> TowerCost:
    began = time.process_time()
    adapters = {name: leaf for name, leaf in params.items() if is_adapter(name)}
    others = {name: leaf for name, leaf in params.items() if not is_adapter(name)}
    traced = jax.jit(adapter_gradient(forward)).trace(adapters, others, inputs)
    compiled = compile_lowered(traced.lower(), quick=False)
    seconds = time.process_time() - began
    program = compiled.as_text()
    return TowerCost(
        flops=count_flops(traced.jaxpr) / mesh.size,
        accessed=sum(move.size for move in moves(program, everywhere=True)),
        moved=sum(move.size for move in moves(program)),
        temporary=compiled.memory_analysis().temp_size_in_bytes,
        seconds=seconds,
    )
