"""The names of the forgeries, for settings that must not load what makes them (`operations`)."""

NAMES = (
    "self_blend",
    "mouth",
    "smooth",
    "neural",
    "world",
    "mel",
    "lpc",
    "pitch",
    "splice",
    "foreign",
    "delay",
)
