"""Single files decoded beside this process: the same records, and nothing that takes it along."""

import os
import time
from collections.abc import Iterator

import pytest

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.lab.media_cases import CASES
from data_pipelines.lab.media_writer import talking_clip, write_case
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation import guarded
from data_pipelines.preparation.guarded import guarded_clips
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.schema import encode_clip

pytestmark = pytest.mark.slow

SETTINGS = PrepareSettings(window_s=2.0, stride_s=2.0)


def sources(folder, *names):
    return [ClipSource(path=folder / name, key=name, dataset="file") for name in names]


def test_records_come_in_order_and_a_bad_file_raises_where_it_is_read(sounds):
    files = sources(sounds, "clip3.wav", "text.wav", "gone.wav", "clip1.wav")
    found = []
    for clips in guarded_clips(files, SETTINGS, 60.0):
        try:
            found.append([encode_clip(clip) for clip in clips])
        except MediaError as error:
            found.append(error.reason)
    here = [[encode_clip(clip) for clip in iterate_clips(files[i], SETTINGS)] for i in (0, 3)]
    assert found == [here[0], "not_media", "missing", here[1]]


@pytest.mark.parametrize("form", ["mp4: PQ", "mpg: upper field first", "ts: pieces"])
def test_what_needs_filters_or_several_passes_is_read_without_writing_a_file(tmp_path, form):
    (case,) = [case for case in CASES if case.title == form]
    path = write_case(case, talking_clip(), tmp_path)
    files = sources(tmp_path, path.name)
    (found,) = [
        [encode_clip(clip) for clip in clips] for clips in guarded_clips(files, SETTINGS, 60.0)
    ]
    assert found == [encode_clip(clip) for clip in iterate_clips(files[0], SETTINGS)]
    assert found


def _hang_or_die(settings: PrepareSettings, source: ClipSource) -> Iterator[ClipRecord]:
    {"clip0.wav": lambda: time.sleep(60), "clip1.wav": lambda: os._exit(3)}[source.key]()
    yield from ()


def test_a_file_that_hangs_and_one_that_kills_have_their_reasons(sounds, monkeypatch):
    monkeypatch.setattr(guarded, "_records", _hang_or_die)
    reasons = []
    for clips in guarded_clips(sources(sounds, "clip0.wav", "clip1.wav"), SETTINGS, 8.0):
        with pytest.raises(MediaError) as caught:
            next(clips)
        reasons.append(caught.value.reason)
    assert reasons == ["timeout", "crashed"]


def test_time_is_up_for_what_takes_too_long(sounds):
    for clips in guarded_clips(sources(sounds, "clip9.wav"), SETTINGS, 0.01):
        with pytest.raises(MediaError, match="timeout: stopped after 0 s"):
            next(clips)
