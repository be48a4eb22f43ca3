"""The batch: what the loader hands to the model, as a dictionary of numpy arrays.

The glossary of letters, used in every shape of the project: b batch, t face frames, k alignment
frames, g bins of the 25 Hz grid, s audio samples, m mel bins, r mel frames, n tokens, h heads or
height, w width in pixels, d model width, e embedding, o sync offsets.
"""

from typing import NotRequired, TypedDict

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8, UInt16


class ClipBatch(TypedDict):
    """One batch of clips, every array with the batch in front.

    All times are seconds after the window's start, which is also where `waveform` starts.
    A window is `seconds` long: s = seconds * 16000 samples, g = seconds * 25 grid bins.

    Keys:
        frames: sparse whole-face crops for the modality-specific path (and for the alignment
            path where `mouth_frames` is empty, k = 0).
        frame_times: when each is shown; a multiple of 1/25 s.
        frame_mask: False where the clip has no such frame (short clip, no picture).
        mouth_frames: dense mouth crops for the alignment path; [b 0 h w 3] when not configured.
        mouth_times, mouth_mask: as above.
        waveform: 16 kHz in [-1, 1], zero where there is no sound.
        waveform_mask: per 25 Hz bin, False where the clip has no sound there (too short, none).
        has_video, has_audio: whether the modality is there at all.
        label_video, label_audio, label: 1 fake, 0 real, -1 unknown.
        label_sync: 1 in sync, 0 out of sync, -1 unknown.
        pair: clips made from one original share a number >= 0; -1 where there is no original known.
        clip_index: position in the source; names the clip on the host.
        valid: False for rows that only pad the last evaluation batch.
        video_features, audio_features: where they were stored, what frozen towers make of the
            alignment frames and of the sound's tokens; bits of bfloat16.
    """

    frames: UInt8[np.ndarray, "b t h w 3"]
    frame_times: Float32[np.ndarray, "b t"]
    frame_mask: Bool[np.ndarray, "b t"]
    mouth_frames: UInt8[np.ndarray, "b k mh mw 3"]
    mouth_times: Float32[np.ndarray, "b k"]
    mouth_mask: Bool[np.ndarray, "b k"]
    waveform: Float32[np.ndarray, "b s"]
    waveform_mask: Bool[np.ndarray, "b g"]
    has_video: Bool[np.ndarray, " b"]
    has_audio: Bool[np.ndarray, " b"]
    label_video: Int32[np.ndarray, " b"]
    label_audio: Int32[np.ndarray, " b"]
    label: Int32[np.ndarray, " b"]
    label_sync: Int32[np.ndarray, " b"]
    pair: Int32[np.ndarray, " b"]
    clip_index: Int32[np.ndarray, " b"]
    valid: Bool[np.ndarray, " b"]
    video_features: NotRequired[UInt16[np.ndarray, "b k d"]]
    audio_features: NotRequired[UInt16[np.ndarray, "b n d"]]
