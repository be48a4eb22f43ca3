"""Turns one clip's media into records: the one path that preparation and prediction share.

Follows the face through the whole video before it crops the first frame. A short video's frames are
kept meanwhile, a long one is decoded again: memory never grows with a video's length. Knows nothing
of shards, processes or data sets.
"""

import collections
import dataclasses
import itertools
import math
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import simplejpeg
from jaxtyping import Float

from data_pipelines.benchmarks.base import ClipSource, Stretches
from data_pipelines.media.align import crop_matrices, mouth_boxes, warp_square
from data_pipelines.media.clock import StageClock
from data_pipelines.media.container import MediaInfo, probe
from data_pipelines.media.decode import VideoFrame, read_video
from data_pipelines.media.errors import MediaError
from data_pipelines.media.face import face_models
from data_pipelines.media.remedies import Span, at_loudness, reencoded, sounding_span
from data_pipelines.media.settings import MediaLimits, PrepareSettings
from data_pipelines.media.sound import AudioTrack, read_audio
from data_pipelines.media.stills import probe_stills, read_stills
from data_pipelines.media.track import FaceTrack, Tracking, track_faces
from data_pipelines.records.clip import FAKE, FRAME_RATE, REAL, SAMPLE_RATE, UNKNOWN, ClipRecord

_SAMPLES_PER_FRAME = SAMPLE_RATE // FRAME_RATE
_KEEP_BYTES = 256 * 2**20  # of decoded frames; beyond it, decoding again is the lesser evil
_LOSS_S = 0.3  # shorter than declared by more than this: the file was cut


@dataclasses.dataclass(frozen=True)
class _Crop:
    """One aligned frame: its time on the container's axis, JPEG bytes, mouth box in the crop."""

    time_s: float
    jpeg: bytes
    mouth: Float[np.ndarray, "4"]


def iterate_clips(
    source: ClipSource, settings: PrepareSettings, clock: StageClock | None = None
) -> Iterator[ClipRecord]:
    """Decodes a file, follows its largest face and yields aligned windows with their sound.

    A file without a picture gives records without frames, one without sound records without audio;
    only what the source promises is an error when missing. A cut file gives what can be decoded and
    says under `truncated` how much is lost. A photo counts as a video of one window's length.

    With `settings.every_face` the provenance says under `face` whose record it is. Where no face is
    followed, records of sound alone come behind those; `unseen` says why where there is none at
    all.

    Args:
        source: the file or files and what is known of them.
        settings: sizes and lengths.
        clock: takes the seconds spent on decode, face and crop.

    Yields:
        At least one record, in order of the time at which it ends.

    Raises:
        MediaError: the file cannot be used; see `Reason`.
    """
    clock = clock or StageClock()
    with clock.stage("decode"):
        info, audio = _open(source, settings.limits)
    if source.expects_video and not info.video_codec:
        raise MediaError("no_video", "the data set promises a picture; the file has only sound")
    if source.expects_audio and audio is None:
        raise MediaError("no_audio", "the data set promises sound; none could be decoded")
    if info.video_codec:
        yield from _video_windows(source, settings, info, audio, clock)
    elif audio is not None:
        yield from _audio_windows(source, settings, info, audio)
    else:
        raise MediaError("no_frames", f"none of its {info.audio_codec} sound can be decoded")


def _open(source: ClipSource, limits: MediaLimits) -> tuple[MediaInfo, AudioTrack | None]:
    """What the clip's files declare, and all of its sound."""
    info = (probe_stills if source.path.is_dir() else probe)(source.path, limits)
    if source.audio_path is None:
        return info, read_audio(source.path, limits) if info.audio_codec else None
    try:
        sound = probe(source.audio_path, limits)
        audio = read_audio(source.audio_path, limits)
    except MediaError as error:
        detail = f"its sound, {source.audio_path.name}: {error.detail}"
        raise MediaError(error.reason, detail) from error
    info = dataclasses.replace(info, audio_codec=sound.audio_codec, audio_rate=sound.audio_rate)
    return info, audio


def windows(length: int, settings: PrepareSettings) -> list[tuple[int, int]]:
    """Start and stop frames of the windows of a stretch.

    What is left behind the last whole one is a shorter window; for a verdict, which compares
    windows, a whole one that ends where the stretch does.
    """
    size = round(settings.window_s * FRAME_RATE)
    step = round(settings.stride_s * FRAME_RATE)
    if settings.every_face and length > size:
        starts = [*range(0, length - size, step), length - size]
        return [(start, start + size) for start in starts]
    found = []
    for start in range(0, length, step):
        stop = min(start + size, length)
        if stop - start >= settings.min_frames:
            found.append((start, stop))
        if stop == length:  # with overlapping windows, later ones would only repeat this end
            break
    return found


def _video_windows(
    source: ClipSource,
    settings: PrepareSettings,
    info: MediaInfo,
    audio: AudioTrack | None,
    clock: StageClock,
) -> Iterator[ClipRecord]:
    span = sounding_span(audio) if audio and settings.trim_silence else None
    restarts = audio.restarts if audio and source.audio_path is None else ()
    video = _Video(source.path, settings, span, restarts, clock, info.photo)
    with clock.stage("face"):
        images = (frame.image for frame in video.frames())
        tracking = track_faces(
            images, face_models(), settings.min_frames, every_face=settings.every_face
        )
    if tracking.num_frames == 0 and video.skipped:
        raise MediaError("too_short", "no picture is left where its sound is not silent")
    unseen: MediaError | None = None
    try:
        _check_tracking(tracking, info, settings)
    except MediaError as error:
        if audio is None or not settings.every_face:
            raise
        unseen = error
    # A sound file of its own says nothing of how much of the picture's file is lost.
    beside = audio if source.audio_path is None else None
    facts = _facts(info, audio, _missing_seconds(info, video.span, beside)) | video.facts
    for number, start, window in _cropped(video.frames(), tracking.tracks, settings, clock):
        track = tracking.tracks[number]
        face = {
            "faces": str(tracking.max_faces),
            "face_px": f"{track.face_px:.0f}",
            "face_found": f"{track.found:.3f}",
        }
        if settings.every_face:
            face["face"] = str(number)
        first = video.skipped + track.first + start
        yield _record(source, settings, facts | face, first, window, audio)
    if settings.every_face and audio is not None:
        end_s = span.end_s if span else audio.end_s
        heard = math.floor((end_s - video.span[0]) * FRAME_RATE + 1e-6) - video.skipped
        facts |= {"unseen": str(unseen)} if unseen else {}
        for stretch in _unseen(tracking.tracks, max(heard, tracking.num_frames)):
            start, stop = (video.skipped + edge for edge in stretch)
            for record in _sound_windows(
                source, settings, facts, audio, video.span[0], start, stop
            ):
                unseen = None
                yield record
        if unseen:  # and nothing to hear instead
            raise unseen


class _Video:
    """The frames of a file as often as they are asked for, kept in memory while they are few.

    Attributes:
        span: when the picture starts and ends on the container's axis, once it has been read.
        skipped: frames before the first one wanted, likewise.
        facts: what was put right in reading it, likewise.
    """

    def __init__(
        self,
        path: pathlib.Path,
        settings: PrepareSettings,
        wanted: Span | None,
        restarts: Sequence[float],
        clock: StageClock,
        photo: bool,
    ) -> None:
        self._path, self._settings, self._wanted, self._clock = path, settings, wanted, clock
        self._restarts, self._photo = restarts, photo
        self._kept: list[VideoFrame] | None = None
        self.span, self.skipped = (0.0, 0.0), 0
        self.facts: dict[str, str] = {}

    def frames(self) -> Iterator[VideoFrame]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[VideoFrame] | None = []
        size, skipped, start, end = 0, 0, None, 0.0
        for frame in self._clock.timed(self._decoded(), "decode"):
            start = frame.time_s if start is None else start
            end = frame.time_s + 1 / FRAME_RATE
            if self._wanted and not self._wanted.holds(frame):
                skipped += frame.time_s < self._wanted.start_s
                continue
            size += frame.image.nbytes
            if size > _KEEP_BYTES:
                kept = None
            if kept is not None:
                kept.append(frame)
            yield frame
        self._kept, self.span, self.skipped = kept, (start or 0.0, end), skipped

    def _decoded(self) -> Iterator[VideoFrame]:
        path, limits = self._path, self._settings.limits
        if path.is_dir():
            frames = read_stills(path, limits)
        else:
            frames = read_video(path, limits, self.facts, self._restarts)
        if self._photo:
            frames = _standing(frames, round(self._settings.window_s * FRAME_RATE))
        return reencoded(frames, self._settings.reencode) if self._settings.reencode else frames


def _standing(frames: Iterator[VideoFrame], count: int) -> Iterator[VideoFrame]:
    """The first frame for as long as `count` of them take."""
    for frame in itertools.islice(frames, 1):
        for index in range(count):
            yield VideoFrame(frame.time_s + index / FRAME_RATE, frame.image)


def _check_tracking(tracking: Tracking, info: MediaInfo, settings: PrepareSettings) -> None:
    seconds = tracking.num_frames / FRAME_RATE
    if tracking.num_frames == 0:
        if info.duration_s > 0:
            raise MediaError("truncated", f"declares {info.duration_s:.2f} s; no frame decodes")
        raise MediaError("no_frames", f"none of its {info.video_codec} frames can be decoded")
    if tracking.num_frames < settings.min_frames:
        raise MediaError("too_short", f"{seconds:.2f} s; at least {settings.min_s:.2f} s needed")
    if not tracking.tracks:
        raise MediaError(
            "no_face", f"none seen for {settings.min_s:.2f} s on end in {seconds:.2f} s of video"
        )


class _Cropper:
    """Crops a track's frames as they come; holds no more of them than one window needs.

    Attributes:
        track: what is cropped.
        done: no frame is wanted any more.
    """

    def __init__(self, track: FaceTrack, settings: PrepareSettings) -> None:
        self.track, self.done = track, False
        self._settings = settings
        self._matrices = crop_matrices(track.stable, settings.size, settings.margin)
        self._boxes = mouth_boxes(track.lips, self._matrices, settings.size, settings.margin)
        self._spans = collections.deque(windows(len(track), settings))
        self._held: list[_Crop] = []
        self._position = 0

    def take(self, frame: VideoFrame) -> Iterator[tuple[int, list[_Crop]]]:
        """The track's next frame in, the windows that end with it out: start and crops."""
        self._held.append(self._crop(frame))
        self._position += 1
        first = self._position - len(self._held)
        while self._spans and self._spans[0][1] == self._position:
            start, stop = self._spans.popleft()
            yield start, self._held[start - first : stop - first]
        keep_from = self._spans[0][0] if self._spans else self._position
        del self._held[: max(keep_from - first, 0)]
        self.done = self._position == len(self.track)

    def _crop(self, frame: VideoFrame) -> _Crop:
        settings = self._settings
        crop = warp_square(frame.image, self._matrices[self._position], settings.size)
        jpeg = simplejpeg.encode_jpeg(
            crop, quality=settings.jpeg_quality, colorspace="RGB", colorsubsampling="444"
        )
        return _Crop(frame.time_s, jpeg, self._boxes[self._position])


def _cropped(
    frames: Iterator[VideoFrame],
    tracks: Sequence[FaceTrack],
    settings: PrepareSettings,
    clock: StageClock,
) -> Iterator[tuple[int, int, list[_Crop]]]:
    """Each window as soon as it is full: its track's number, its start in the track, its crops."""
    waiting, live = collections.deque(enumerate(tracks)), []
    for index, frame in enumerate(frames):
        while waiting and waiting[0][1].first == index:
            number, track = waiting.popleft()
            live.append((number, _Cropper(track, settings)))
        for number, cropper in live:
            with clock.stage("crop"):
                full = list(cropper.take(frame))
            yield from ((number, start, crops) for start, crops in full)
        live = [(number, cropper) for number, cropper in live if not cropper.done]
        if not live and not waiting:
            return


def _unseen(tracks: Sequence[FaceTrack], length: int) -> list[tuple[int, int]]:
    """Start and stop of the stretches of `length` frames in which no face is followed."""
    ends = np.zeros(length + 1, int)
    for track in tracks:
        ends[track.first] += 1
        ends[track.first + len(track)] -= 1
    edges = np.flatnonzero(np.diff(np.cumsum(ends[:-1]) == 0, prepend=False, append=False))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _audio_windows(
    source: ClipSource, settings: PrepareSettings, info: MediaInfo, audio: AudioTrack
) -> Iterator[ClipRecord]:
    first, last = 0, len(audio.samples) // _SAMPLES_PER_FRAME
    if settings.trim_silence and (span := sounding_span(audio)):
        first = math.ceil((span.start_s - audio.start_s) * FRAME_RATE - 1e-6)
        last = math.floor((span.end_s - audio.start_s) * FRAME_RATE + 1e-6)
    if last - first < settings.min_frames:
        seconds = (last - first) / FRAME_RATE
        raise MediaError("too_short", f"{seconds:.2f} s; at least {settings.min_s:.2f} s needed")
    lost = _missing_seconds(info, (audio.start_s, audio.end_s), None)
    facts = _facts(info, audio, lost)
    yield from _sound_windows(source, settings, facts, audio, audio.start_s, first, last)


def _sound_windows(
    source: ClipSource,
    settings: PrepareSettings,
    facts: dict[str, str],
    audio: AudioTrack,
    begin_s: float,
    first: int,
    last: int,
) -> Iterator[ClipRecord]:
    """Windows of sound alone, from frame `first` to `last` of a grid that starts at `begin_s`."""
    for start, stop in windows(last - first, settings):
        times = (begin_s + (first + start) / FRAME_RATE, begin_s + (first + stop) / FRAME_RATE)
        samples, late_s = audio.between(*times)
        if samples.size:
            yield _assemble(source, settings, facts, first + start, [], samples, late_s)


def _record(
    source: ClipSource,
    settings: PrepareSettings,
    facts: dict[str, str],
    start: int,
    crops: list[_Crop],
    audio: AudioTrack | None,
) -> ClipRecord:
    begin = crops[0].time_s
    samples, late_s = np.zeros(0, np.int16), 0.0
    if audio is not None:
        samples, late_s = audio.between(begin, begin + len(crops) / FRAME_RATE)
    return _assemble(source, settings, facts, start, crops, samples, late_s)


def _assemble(
    source: ClipSource,
    settings: PrepareSettings,
    facts: dict[str, str],
    start: int,
    crops: list[_Crop],
    samples: np.ndarray,
    late_s: float,
) -> ClipRecord:
    """Puts a record together; a modality that is not there has no label."""
    has_video, has_audio = bool(crops), samples.size > 0
    name = f"{source.key}@{facts['face']}" if "face" in facts else source.key
    # Counted from the first frame, as forged stretches are, whatever the recording's clock says.
    begin_s = start / FRAME_RATE
    window = (begin_s, begin_s + (len(crops) / FRAME_RATE or len(samples) / SAMPLE_RATE))
    label_video, method_video = _within(
        source.label_video, source.method_video, source.forged_video, window
    )
    label_audio, method_audio = _within(
        source.label_audio, source.method_audio, source.forged_audio, window
    )
    if settings.loudness is not None:
        samples = at_loudness(samples, settings.loudness)
    return ClipRecord(
        clip_id=f"{source.dataset}/{name}#{start * 1000 // FRAME_RATE}",
        dataset=source.dataset,
        split=source.split,
        source_ids=source.source_ids,
        pair_id=source.pair_id,
        method_video=method_video,
        method_audio=method_audio,
        frames=tuple(crop.jpeg for crop in crops),
        frame_times_ms=np.array([crop.time_s * 1000 for crop in crops], np.float64),
        mouth_boxes=np.array([crop.mouth for crop in crops], np.float32).reshape(-1, 4),
        audio=samples,
        audio_offset_ms=late_s * 1000,
        label_video=label_video if has_video else UNKNOWN,
        label_audio=label_audio if has_audio else UNKNOWN,
        label_sync=source.label_sync if has_video and has_audio else UNKNOWN,
        provenance={**source.provenance, "source": source.key, **facts},
    )


def _within(
    label: int, method: str, forged: Stretches | None, window: tuple[float, float]
) -> tuple[int, str]:
    """A modality's label and method in a window of a clip that is forged in stretches."""
    if label != FAKE or forged is None:
        return label, method
    if any(start < window[1] and window[0] < end for start, end in forged):
        return FAKE, method
    return REAL, "none"


def _missing_seconds(info: MediaInfo, span: tuple[float, float], audio: AudioTrack | None) -> float:
    """How much less was decoded than the container declares; 0 if that is within its precision."""
    start, end = span
    if audio is not None:
        start, end = min(start, audio.start_s), max(end, audio.end_s)
    missing = info.duration_s - (end - start)
    return missing if missing > _LOSS_S else 0.0


def _facts(info: MediaInfo, audio: AudioTrack | None, missing_s: float) -> dict[str, str]:
    """The file's own facts, and what was put right in reading it, as provenance."""
    return {
        "bytes": str(info.size_bytes),
        "sha256": info.sha256,
        "duration_s": f"{info.duration_s:.3f}",
        "video_codec": info.video_codec,
        "width": str(info.width),
        "height": str(info.height),
        "fps": f"{info.fps:.3f}",
        "audio_codec": info.audio_codec,
        "audio_rate": str(info.audio_rate),
        **({"photo": "yes"} if info.photo else {}),
        "truncated": f"{missing_s:.2f} of {info.duration_s:.2f} s lost" if missing_s else "",
        **(audio.facts if audio else {}),
    }
