"""What the detector makes of clips: their fused representations, on disk and their neighbourhoods.

Owns the file's form, and what tells by what the representation groups clips.
"""

import io
import pathlib

import numpy as np
from jaxtyping import Float, Float16, Shaped

from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_writer

EMBEDDINGS_FILE = "embeddings-{}.npy"  # of a split


def write_embeddings(embeddings: Float16[np.ndarray, "n d"], path: pathlib.Path) -> None:
    """Writes a row for each row of the score table, nan where a clip was not scored.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, embeddings, allow_pickle=False)
    with atomic_writer(path) as write:
        write(buffer.getbuffer())


def read_embeddings(path: pathlib.Path, clips: int) -> Float16[np.ndarray, "n d"]:
    """What `write_embeddings` wrote, of so many clips.

    Raises:
        UserError: it is not there, or not of these clips.
    """
    try:
        with path.open("rb") as file:
            found = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no embeddings: {error}; evaluate the run again") from None
    if found.ndim != 2 or len(found) != clips or found.dtype != np.float16:
        raise UserError(f"{path} does not hold the embeddings of {clips} clips: evaluate again")
    return found


def neighbour_share(
    embeddings: Float[np.ndarray, "n d"], groups: Shaped[np.ndarray, " n"], neighbours: int
) -> tuple[float, float]:
    """How far the representation puts together what is of one group.

    Args:
        embeddings: of clips, none the same clip or video.
        groups: by which they are told apart: labels, people.
        neighbours: that are looked at, the nearest by cosine; fewer where there are fewer clips.

    Returns:
        The share of a clip's neighbours that are of its group, on average, and what it would be by
        chance.
    """
    from sklearn.neighbors import NearestNeighbors  # a second, which no evaluation need wait for

    count = len(embeddings)
    search = NearestNeighbors(n_neighbors=min(neighbours, count - 1), metric="cosine")
    near = search.fit(embeddings).kneighbors(return_distance=False)  # without the clip itself
    _, sizes = np.unique(groups, return_counts=True)
    chance = (sizes * (sizes - 1)).sum() / (count * (count - 1))
    return float((groups[near] == groups[:, None]).mean()), float(chance)
