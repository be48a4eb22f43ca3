"""Gives access to clu's writers without TensorFlow.

`clu.metric_writers` imports TensorFlow (1.5 GB, seconds of start-up) for one class, its summary
writer. This module supplies that class over tensorboard's own event file writer before clu is
imported. Import `metric_writers` from here, never from clu.
"""

# Generated protobuf modules have attributes that no type checker sees.
# pyright: reportAttributeAccessIssue=false

import sys
import time
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util


class EventFileSummaryWriter:
    """clu's MetricWriter interface over a TensorBoard event file: scalars and texts.

    What this project does not write (images, audio, histograms) raises NotImplementedError.
    """

    def __init__(self, logdir: str):
        self._events = EventFileWriter(logdir)

    def write_scalars(self, step: int, scalars: Mapping[str, SupportsFloat]) -> None:
        metadata = scalar_metadata.create_summary_metadata(display_name="", description="")
        for tag, value in scalars.items():
            self._add(step, tag, np.float32(float(value)), metadata)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        metadata = text_metadata.create_summary_metadata(display_name="", description="")
        for tag, value in texts.items():
            self._add(step, tag, np.asarray([value.encode()], object), metadata)

    def write_hparams(self, hparams: Mapping[str, object]) -> None:
        lines = "\n".join(f"    {name} = {value}" for name, value in hparams.items())
        self.write_texts(0, {"hparams": lines})

    def _unsupported(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError("this project writes scalars and texts to TensorBoard only")

    write_summaries = write_images = write_videos = write_audios = write_histograms = _unsupported

    def flush(self) -> None:
        self._events.flush()

    def close(self) -> None:
        self._events.close()

    def _add(
        self,
        step: int,
        tag: str,
        value: np.ndarray | np.generic,
        metadata: summary_pb2.SummaryMetadata,
    ) -> None:
        summary = summary_pb2.Summary()
        summary.value.add(tag=tag, tensor=tensor_util.make_tensor_proto(value), metadata=metadata)
        self._events.add_event(event_pb2.Event(step=step, wall_time=time.time(), summary=summary))


def _import_clu() -> types.ModuleType:
    name = "clu.metric_writers.summary_writer"
    if name not in sys.modules:
        stand_in = types.ModuleType(name)
        stand_in.SummaryWriter = EventFileSummaryWriter  # type: ignore[attr-defined]
        sys.modules[name] = stand_in
    from clu import metric_writers

    metric_writers.MetricWriter.register(EventFileSummaryWriter)
    return metric_writers


if TYPE_CHECKING:
    from clu import metric_writers
else:
    metric_writers = _import_clu()
