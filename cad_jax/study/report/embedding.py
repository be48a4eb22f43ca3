"""Where a variant's fused representation puts the clips of a test, and by what it groups them."""

from collections.abc import Iterator, Sequence

import numpy as np

from cad_jax.evaluation.embeddings import EMBEDDINGS_FILE, neighbour_share, read_embeddings
from cad_jax.evaluation.groups import kind_names
from cad_jax.evaluation.score_table import read_scores
from cad_jax.study.report.plots import embedding_plot
from cad_jax.study.store import Result, ScoreFile, Store
from data_pipelines.documents.blocks import Block, Plots, Table, Text
from data_pipelines.errors import UserError
from data_pipelines.records.clip import video_of

NEIGHBOURS = 10
MOST = 2000  # clips on a map


def embedding_blocks(store: Store, result: Result) -> Iterator[Block]:
    """A run's map of each test, and whose neighbour a clip is.

    Args:
        store: of the study, which has the run's scores.
        result: the run.
    """
    yield Text(
        f"The fused representation of {result.name}, one clip a video. Read the table, not the "
        "distances of the map (t-SNE): it says how many of a clip's "
        f"{NEIGHBOURS} nearest by cosine are of its own group, and how many would be by chance."
    )
    rows: list[Sequence[str]] = [["test", "group", "clips", "of its group", "by chance"]]
    plots = []
    for scores in result.scores[1:]:
        try:
            embeddings, groups = _read(store, result, scores)
        except UserError as error:
            yield Text(f"No map of {scores.split}: {error}")
            continue
        for name, of in groups.items():
            shares = neighbour_share(embeddings, of, NEIGHBOURS)
            rows.append((scores.split, name, str(len(of)), *(f"{share:.3f}" for share in shares)))
        shown = np.linspace(0, len(embeddings) - 1, min(len(embeddings), MOST)).astype(int)
        caption = f"Clips of {scores.split} by how they were forged"
        plots.append(embedding_plot(embeddings[shown], groups["kind"][shown], caption))
    if plots:
        yield Plots(plots)
        yield Table(rows)


def _read(
    store: Store, result: Result, scores: ScoreFile
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Embeddings [n d] of the clips that have one and a label, a clip a video, and their groups."""
    path = store.find_scores(result, scores)
    table = read_scores(path)
    found = read_embeddings(path.with_name(EMBEDDINGS_FILE.format(scores.split)), len(table))
    usable = np.flatnonzero(np.isfinite(found).all(axis=1) & (table.label >= 0))
    videos = [video_of(name) for name in table.clip_id[usable].tolist()]
    _, first = np.unique(videos, return_index=True)
    rows = usable[np.sort(first)]
    if len(rows) < 2:
        raise UserError(f"{path}: fewer than two videos have a label and a score")
    clips = table.select(rows)
    groups = {
        "label": np.where(clips.label == 1, "forged", "genuine"),
        "kind": np.where(clips.label == 1, kind_names(clips), "genuine"),
        "person": clips.cluster,
    }
    return found[rows].astype(np.float32), groups
