"""How visible and audible forgeries are: the ranges from which an operation draws its strength.

Lengths in pixels hold for a frame of 112 pixels and grow with the frame.
"""

import dataclasses

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Traces:
    """Strengths of the operations; the defaults are `CLEAR`.

    Attributes:
        swap_resolution: of the pasted face, relative to the frame's.
        swap_feather: softness of the pasted face's border, pixels.
        swap_colour_transfer: 1 takes the target's colours fully.
        swap_jitter: deviation of the mask's place from frame to frame, pixels.
        mouth_resolution, mouth_feather: the same for a regenerated mouth.
        mouth_tint: deviation of its colour channels' gains.
        checkerboard: relative amplitude of the upsampling pattern of a neural decoder.
        conversion_pitch, conversion_formants: deviation of the log factors of voice conversion.
        conversion_smoothing: WORLD frames (8 ms) over which it smooths spectra.
        conversion_cepstrum: number of mel-cepstral coefficients it keeps.
        mel_error: deviation of a vocoder's log mel spectrum.
    """

    swap_resolution: Range = (0.35, 0.6)
    swap_feather: Range = (0.7, 1.8)
    swap_colour_transfer: Range = (0.1, 0.7)
    swap_jitter: Range = (0.2, 0.9)
    mouth_resolution: Range = (0.3, 0.55)
    mouth_feather: Range = (0.7, 1.8)
    mouth_tint: float = 0.05
    checkerboard: Range = (0.02, 0.05)
    conversion_pitch: float = 0.18
    conversion_formants: float = 0.1
    conversion_smoothing: tuple[int, int] = (3, 6)
    conversion_cepstrum: tuple[int, int] = (20, 30)
    mel_error: float = 0.05


CLEAR = Traces()
SUBTLE = Traces(
    swap_resolution=(0.45, 0.85),
    swap_feather=(1.0, 3.2),
    swap_colour_transfer=(0.3, 0.9),
    swap_jitter=(0.0, 0.6),
    mouth_resolution=(0.4, 0.75),
    mouth_feather=(1.2, 3.5),
    mouth_tint=0.03,
    checkerboard=(0.008, 0.02),
    conversion_pitch=0.14,
    conversion_formants=0.07,
    conversion_smoothing=(1, 3),
    conversion_cepstrum=(30, 45),
    mel_error=0.05,
)
STRENGTHS = {"clear": CLEAR, "subtle": SUBTLE}
