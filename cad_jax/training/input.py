"""Brings training batches to the devices ahead of their use."""

import collections
from collections.abc import Iterator

from jax.sharding import Mesh

from cad_jax.parallel.mesh import put_batch
from cad_jax.types import Batch
from data_pipelines.loading.batch import ClipBatch


def on_device(batches: Iterator[ClipBatch], mesh: Mesh, ahead: int = 2) -> Iterator[Batch]:
    """Puts batches on the mesh, keeping `ahead` of them in flight.

    Args:
        batches: this process's share of each global batch.
        mesh: of all processes' devices.
        ahead: transfers started before they are asked for.

    Yields:
        Global arrays, split over the batch axes.
    """
    queue: collections.deque[Batch] = collections.deque()
    for batch in batches:
        queue.append(put_batch(batch, mesh))
        if len(queue) > ahead:
            yield queue.popleft()
    yield from queue
