"""Clips as ordinary mp4 files with a manifest, to be prepared like any other data set.

Owns nothing but the files' names and the manifest's columns (those of `benchmarks.folder`).
"""

import csv
import io
import os
import pathlib
from collections.abc import Iterable

from data_pipelines.records.atomic import atomic_writer
from data_pipelines.synthetic.capture import Capture, compress
from data_pipelines.synthetic.codecs import write_mp4
from data_pipelines.synthetic.generate import people_names, shoot, take_name
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import plan_clip
from data_pipelines.synthetic.presets import TEST, TRAIN, VAL, Preset

_FINE_CRF, _FINE_BIT_RATE = 10, 128_000  # for footage whose law is JPEG and PCM


def export_clips(
    directory: str | os.PathLike[str], preset: Preset, seed: int, indices: Iterable[int]
) -> pathlib.Path:
    """Writes clips as mp4 files and `manifest.csv` beside them; returns the directory.

    Footage that the capture's law sends through H.264 and AAC is encoded once, as the law says, so
    decoding the file gives what the record was cropped from. The rest has been through JPEG, as in
    the record, and is then stored finely.

    Args:
        directory: made if missing.
        preset, seed, indices: which clips.

    Raises:
        IndexError: the preset has no such clip.
        OSError: a file cannot be written.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rows = [_export(directory, preset, seed, index) for index in indices]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]) if rows else ["path"])
    table.writeheader()
    table.writerows(rows)
    with atomic_writer(directory / "manifest.csv") as write:
        write(text.getvalue().encode())
    return directory


def _export(directory: pathlib.Path, preset: Preset, seed: int, index: int) -> dict[str, str]:
    plan = plan_clip(preset, seed, index)
    performance = perform(preset, seed, plan)
    capture = shoot(seed, preset, plan, performance)
    path = directory / f"{index:06d}.mp4"
    _write(path, capture)
    labels = plan.kind.labels(plan.modalities)
    return {
        "path": path.name,
        # Readers know three splits; the column `kind` tells held-out manipulations apart.
        "split": plan.split if plan.split in (TRAIN, VAL) else TEST,
        "kind": plan.kind.name,
        "label_video": str(labels.video),
        "label_audio": str(labels.audio),
        "label_sync": str(labels.sync),
        "method_video": plan.method_video,
        "method_audio": plan.method_audio,
        "source_ids": ";".join(people_names(seed, performance.people)),
        "pair_id": take_name(seed, plan.take),
        "has_video": "yes" if len(capture.frames) else "no",
        "has_audio": "yes" if len(capture.audio) else "no",
    }


def _write(path: pathlib.Path, capture: Capture) -> None:
    codec = capture.codec
    crf, bit_rate = codec.crf, codec.bit_rate
    if not codec.coded:
        capture, crf, bit_rate = compress(capture), _FINE_CRF, _FINE_BIT_RATE
    file = io.BytesIO()
    write_mp4(
        file,
        capture.frames if len(capture.frames) else None,
        capture.audio if len(capture.audio) else None,
        crf=crf,
        audio_bit_rate=bit_rate,
    )
    with atomic_writer(path) as write:
        write(file.getvalue())
