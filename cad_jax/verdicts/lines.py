"""Verdicts as lines for people: a row a file, and below it why and where."""

from collections.abc import Iterator

from cad_jax.verdicts.schema import MODALITIES, FileVerdict, ModalityVerdict

_FILE = 40  # characters of a path; of a longer one its end


def heading() -> str:
    """The line above all rows."""
    titles = "".join(f"{title:>9}" for title in ("score", "picture", "sound", "sync"))
    return f"{'file':<{_FILE}}  {'verdict':<14}{titles}"


def lines(verdict: FileVerdict) -> Iterator[str]:
    """A file's row, then a line for each range of time and each reason."""
    name = verdict.file if len(verdict.file) <= _FILE else f"…{verdict.file[1 - _FILE :]}"
    scores = [verdict.score, *(_score(verdict.modalities.get(column)) for column in MODALITIES)]
    cells = "".join(f"{'-' if score is None else f'{score:.2f}':>9}" for score in scores)
    yield f"{name:<{_FILE}}  {verdict.verdict.replace('_', ' '):<14}{cells}".rstrip()
    for found in verdict.ranges:
        span = f"{clock(found.start_s)} to {clock(found.end_s)}"
        yield f"    {span}  {found.modality} {found.score:.2f}"
    for reason in verdict.reasons:
        yield f"    {reason.message}"


def clock(seconds: float) -> str:
    """Hours where there are any, minutes, seconds and tenths."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{front}:{tenths // 10:02}.{tenths % 10}"


def _score(modality: ModalityVerdict | None) -> float | None:
    return modality.score if modality else None
