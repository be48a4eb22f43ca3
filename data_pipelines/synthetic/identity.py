"""A synthetic person, all from one integer: head, paint, hair, clothes, and manner of speaking.

Puts together what `shape`, `skin`, `hair` and `wardrobe` draw, as the arrays the renderer needs.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float32, Int32

from data_pipelines.synthetic.hair import Hair, grow_hair
from data_pipelines.synthetic.head import HAIR, TEXTURE_WIDTH, load_head
from data_pipelines.synthetic.raster import vertex_normals
from data_pipelines.synthetic.shading import neckline_depths
from data_pipelines.synthetic.shape import draw_shape, ear_column, ear_vertices
from data_pipelines.synthetic.skin import paint_skin
from data_pipelines.synthetic.speech import Voice, draw_voice
from data_pipelines.synthetic.texture import Texture
from data_pipelines.synthetic.traits import Traits, draw_traits
from data_pipelines.synthetic.visemes import ArticulationStyle
from data_pipelines.synthetic.wardrobe import Clothes, Glasses, draw_clothes, draw_glasses

_TRAITS, _LOOK, _VOICE = range(3)  # random streams of a person
_TORSO_TOP = -7.5  # cm
_WHITE_TEETH, _YELLOW_TEETH = np.array([0.78, 0.74, 0.66]), np.array([0.66, 0.58, 0.42])


@dataclasses.dataclass(frozen=True)
class Body:
    """A person's mesh at rest; the head's vertices come first, those of long hair after them.

    Attributes:
        vertices, triangles, uv, occlusion, head_weight: as in `head.Head`.
        material: part of the mesh, HAIR for long hair.
        rest: the vertices without hair and cloth, by which clothes are painted.
        is_torso: 1 where the skin may be dressed.
    """

    vertices: Float32[np.ndarray, "v 3"]
    triangles: Int32[np.ndarray, "f 3"]
    uv: Float32[np.ndarray, "v 2"]
    occlusion: Float32[np.ndarray, " v"]
    head_weight: Float32[np.ndarray, " v"]
    material: Int32[np.ndarray, " v"]
    rest: Float32[np.ndarray, "v 3"]
    is_torso: Int32[np.ndarray, " v"]


@dataclasses.dataclass(frozen=True)
class Identity:
    """One person: look and voice.

    Attributes:
        number: what the person was drawn from.
        traits: sex, age, colours.
        body, texture: the look.
        gloss: strength of the skin's highlights.
        teeth: linear RGB albedo.
        clothes, glasses: what the person wears.
        style: how the mouth moves.
        voice: how the person sounds.
    """

    number: int
    traits: Traits
    body: Body
    texture: Texture
    gloss: float
    teeth: Float32[np.ndarray, " 3"]
    clothes: Clothes
    glasses: Glasses | None
    style: ArticulationStyle
    voice: Voice


def traits_of(seed: int, number: int) -> Traits:
    """What person `number` is like, without drawing the look."""
    return draw_traits(np.random.default_rng([seed, number, _TRAITS]))


def voice_of(seed: int, number: int) -> Voice:
    """How person `number` sounds, without drawing the look."""
    rng = np.random.default_rng([seed, number, _VOICE])
    return draw_voice(rng, traits_of(seed, number).female)


@functools.lru_cache(maxsize=64)
def make_identity(seed: int, number: int) -> Identity:
    """Person `number` of the data set's `seed`; 0.1 s, the last 64 are kept."""
    rng = np.random.default_rng([seed, number, _LOOK])
    traits = traits_of(seed, number)
    clothes = draw_clothes(rng)
    vertices = draw_shape(rng, traits)
    texture = paint_skin(rng, traits)
    hair = grow_hair(rng, traits, texture, vertices)
    whiteness = rng.uniform(0, 1)
    teeth = _WHITE_TEETH * whiteness + _YELLOW_TEETH * (1 - whiteness)
    return Identity(
        number=number,
        traits=traits,
        body=_dress(vertices, hair, clothes),
        texture=texture,
        gloss=float(rng.uniform(0.03, 0.16)),
        teeth=(teeth * rng.uniform(0.85, 1.05)).astype(np.float32),
        clothes=clothes,
        glasses=draw_glasses(rng),
        style=_draw_style(rng),
        voice=voice_of(seed, number),
    )


def _draw_style(rng: np.random.Generator) -> ArticulationStyle:
    return ArticulationStyle(
        amplitude=rng.uniform(0.75, 1.25),
        lead=rng.uniform(0, 0.05),
        tempo=rng.uniform(0.75, 1.25),
        asymmetry=rng.normal(0, 0.12),
        smile=float(np.clip(rng.normal(0.04, 0.1), 0, 0.28)),
    )


def _dress(vertices: np.ndarray, hair: Hair, clothes: Clothes) -> Body:
    """Pushes scalp and bust out along their normals and appends long hair."""
    head = load_head()
    torso = head.is_skin & (head.head_weight < 0.9) & (head.vertices[:, 1] < _TORSO_TOP)
    covered = np.clip(neckline_depths(vertices, clothes.neckline) / 0.7, 0, 1) * torso
    push = hair.lift + covered * np.float32(clothes.thickness)
    normals = vertex_normals(vertices, head.triangles)
    body = Body(
        vertices=(vertices + normals * push[:, None]).astype(np.float32),
        triangles=head.triangles,
        uv=_skin_uv(),
        occlusion=head.occlusion * (1 - np.clip(hair.cover, 0, 1) * np.float32(0.12)),
        head_weight=head.head_weight,
        material=head.part,
        rest=vertices,
        is_torso=torso.astype(np.int32),
    )
    return _with_curtain(body, hair)


def _with_curtain(body: Body, hair: Hair) -> Body:
    if hair.curtain is None:
        return body
    curtain = hair.curtain
    num_head, num_hair = len(body.vertices), len(curtain.vertices)
    # Long hair follows the head at the top and rests on the shoulders.
    weight = np.clip((curtain.vertices[:, 1] + 14) / 9, 0.35, 1).astype(np.float32)
    hanging = {
        "vertices": curtain.vertices,
        "triangles": curtain.triangles + np.int32(num_head),
        "uv": curtain.uv,
        "occlusion": np.full(num_hair, 0.75, np.float32),
        "head_weight": weight,
        "material": np.full(num_hair, HAIR, np.int32),
        "rest": curtain.vertices,
        "is_torso": np.zeros(num_hair, np.int32),
    }
    return Body(**{k: np.concatenate([getattr(body, k), more]) for k, more in hanging.items()})


@functools.cache
def _skin_uv() -> Float32[np.ndarray, "v 2"]:
    """The head's texture coordinates, with those of the ears moved to the skin before them.

    In the cylinder the ears share texels with the skull behind them, which may be hair.
    """
    uv = load_head().uv.copy()
    ears = ear_vertices()
    aside = uv[ears, 0] - TEXTURE_WIDTH / 2
    side, edge = np.sign(aside), ear_column()
    uv[ears, 0] = TEXTURE_WIDTH / 2 + side * (edge - 14) + (aside - side * edge) * 0.15
    return uv
