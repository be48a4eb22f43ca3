"""How a config's argument is read."""

from collections.abc import Mapping, Sequence

from data_pipelines.errors import nearest


def parse_argument(arg: str, choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Reads `name=choice,name=choice`; what is not named takes its first choice.

    Raises:
        ValueError: an unknown name or choice; names the nearest right one.
    """
    options = {name: known[0] for name, known in choices.items()}
    for item in filter(None, arg.split(",")):
        name, equals, choice = item.partition("=")
        if name not in choices:
            raise ValueError(f"config option {name!r}: {nearest(name, choices)}")
        if not equals or choice not in choices[name]:
            raise ValueError(f"config option {item!r}: {nearest(choice, choices[name])}")
        options[name] = choice
    return options
