"""Why saved arrays are not the wanted ones: names and shapes compared, as text for people."""

from collections.abc import Mapping, Sequence

Shape = tuple[int, ...]


def shape_faults(have: Mapping[str, Shape], want: Mapping[str, Shape]) -> dict[str, str]:
    """What keeps saved arrays from being the wanted ones, by name."""
    faults = {name: f"missing {name}" for name in want if name not in have}
    faults |= {name: f"unexpected {name}" for name in have if name not in want}
    return faults | {
        name: f"{name} is {have[name]}, not {want[name]}"
        for name in want
        if name in have and have[name] != want[name]
    }


def listed(faults: Sequence[str]) -> str:
    """The first five, and how many more."""
    more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more
