"""The kinds of clips: what is done to picture and sound, what the labels are, and who may see them.

The quadrants are FakeAVCeleb's: real or fake video with real or fake audio (RVRA ... FVFA). A clip
whose lips and speech belong to different moments, both unforged, is RVRA with label_sync 0.
"""

import dataclasses

from data_pipelines.forgeries.operations import Labels
from data_pipelines.records.clip import FAKE, IN_SYNC, OUT_OF_SYNC, REAL, UNKNOWN
from data_pipelines.synthetic.presets import TEST_NEURAL, TEST_UNSEEN

NONE = "none"  # an unforged picture or sound

BOTH, VIDEO_ONLY, AUDIO_ONLY = "both", "video", "audio"  # which modalities a clip has


@dataclasses.dataclass(frozen=True)
class Kind:
    """One manipulation of a clip.

    Attributes:
        name: unique.
        video, audio: the record's method_video and method_audio; NONE where nothing was forged.
        sync: 1 where lips and speech belong together.
        only_in: the one split that shows it; empty: every split without kinds of its own.
    """

    name: str
    video: str = NONE
    audio: str = NONE
    sync: int = IN_SYNC
    only_in: str = ""

    def labels(self, modalities: str) -> Labels:
        """The record's labels for a clip with BOTH modalities or one of them."""
        if modalities == VIDEO_ONLY:
            return Labels(_label(self.video), UNKNOWN, UNKNOWN)
        if modalities == AUDIO_ONLY:
            return Labels(UNKNOWN, _label(self.audio), UNKNOWN)
        return Labels(_label(self.video), _label(self.audio), self.sync)

    def fits(self, modalities: str) -> bool:
        """Whether such a clip is forged, and by all that this kind does, with these modalities."""
        if modalities == VIDEO_ONLY:
            return self.audio == NONE and _label(self.video) == FAKE
        if modalities == AUDIO_ONLY:
            return self.video == NONE and _label(self.audio) == FAKE
        return True


# A picture may be: the mouth at another time (lag) or of another utterance (wrong), both rendered
# without a trace; another person's face (swap), a regenerated mouth (mouth), a decoder's face
# (neural), a damped and smoothed mouth (smooth).
_TRACELESS = {NONE, "lag", "wrong"}

GENUINE = Kind("real")
FORGERIES = (
    Kind("lag", video="lag", sync=OUT_OF_SYNC),
    Kind("wrong", video="wrong", sync=OUT_OF_SYNC),
    Kind("world", audio="world"),
    Kind("mel", audio="mel"),
    Kind("tts", audio="tts", sync=OUT_OF_SYNC),
    Kind("swap", video="swap"),
    Kind("mouth", video="mouth"),
    Kind("swap_world", video="swap", audio="world"),
    Kind("mouth_mel", video="mouth", audio="mel"),
    Kind("swap_tts", video="swap", audio="tts", sync=OUT_OF_SYNC),
    Kind("lpc", audio="lpc", only_in=TEST_UNSEEN),
    Kind("pitch", audio="pitch", only_in=TEST_UNSEEN),
    Kind("neural", video="neural", only_in=TEST_UNSEEN),
    Kind("smooth", video="smooth", only_in=TEST_UNSEEN),
    Kind("neural_copy", audio="neural_copy", only_in=TEST_NEURAL),
    Kind("neural_tts", audio="neural_tts", only_in=TEST_NEURAL),
)


def forgeries(split: str, modalities: str) -> tuple[Kind, ...]:
    """The kinds of forgery that a split shows and that fit these modalities."""
    of = split if any(kind.only_in == split for kind in FORGERIES) else ""
    return tuple(kind for kind in FORGERIES if kind.only_in == of and kind.fits(modalities))


def _label(method: str) -> int:
    return REAL if method in _TRACELESS else FAKE
