"""A contact sheet of a prepared set: one row a clip, its crops over time with the mouth boxes."""

import pathlib
from collections.abc import Iterator

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.metadata import read_metadata

PREVIEW_FILE = "preview.png"
MAX_ROWS = 150

_THUMB, _COLUMNS, _CAPTION = 112, 9, 300  # pixels, crops a row, pixels
_GREEN, _GREY = (0, 220, 0), (190, 190, 190)


def write_preview(directory: pathlib.Path) -> pathlib.Path:
    """Writes the sheet beside the shards.

    At most `MAX_ROWS` clips, evenly chosen; of each, crops evenly spaced over its first window, and
    two neighbours at the start, where trembling would show.

    Raises:
        UserError: no prepared set there.
        OSError: the file cannot be written.
    """
    rows = [_row(record) for record in _first_windows(directory)]
    sheet = np.concatenate(rows) if rows else np.zeros((_THUMB, _THUMB, 3), np.uint8)
    _, png = cv2.imencode(".png", sheet[:, :, ::-1])
    path = directory / PREVIEW_FILE
    with atomic_writer(path) as write:
        write(png.tobytes())
    return path


def _first_windows(directory: pathlib.Path) -> Iterator[ClipRecord]:
    """The first window with a picture of each shown clip."""
    first: list[tuple[TFRecordSource, int]] = []
    for split, lengths in read_metadata(directory).shard_lengths.items():
        if sum(lengths):
            source = TFRecordSource(directory, split)
            seen = np.flatnonzero(source.column("has_video"))
            _, places = np.unique(source.coded("video")[0][seen], return_index=True)
            first += [(source, int(position)) for position in seen[np.sort(places)]]
    step = max(1, -(-len(first) // MAX_ROWS))
    for source, position in first[::step]:
        yield source[position].clip


def _row(record: ClipRecord) -> UInt8[np.ndarray, "h w 3"]:
    last = len(record.frames) - 1
    spaced = np.linspace(0, last, _COLUMNS - 1).round().astype(int).tolist()
    chosen = [0, min(1, last), *spaced[1:]]
    thumbs = [_thumb(record.frames[i], record.mouth_boxes[i]) for i in chosen]
    return np.concatenate([_caption(record), *thumbs], axis=1)


def _thumb(jpeg: bytes, mouth: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    crop = simplejpeg.decode_jpeg(jpeg)
    scale = _THUMB / crop.shape[0]
    thumb = cv2.resize(crop, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
    x0, y0, x1, y1 = np.round(mouth * scale).astype(int).tolist()
    cv2.rectangle(thumb, (x0, y0), (x1, y1), _GREEN, 1)
    return thumb


def _caption(record: ClipRecord) -> UInt8[np.ndarray, "h w 3"]:
    panel = np.zeros((_THUMB, _CAPTION, 3), np.uint8)
    name = record.clip_id.partition("/")[2]
    labels = f"video {record.label_video} audio {record.label_audio} sync {record.label_sync}"
    facts = f"face {record.provenance.get('face_px', '?')} px, {len(record.frames)} frames"
    for line, text in enumerate([name[:44], name[44:88], f"{record.split}: {labels}", facts]):
        ascii_only = text.encode("ascii", "replace").decode()  # all that OpenCV's font knows
        at = (4, 22 + 22 * line)
        cv2.putText(panel, ascii_only, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, _GREY, 1, cv2.LINE_AA)
    return panel
