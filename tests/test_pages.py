"""What the pages say can be done: commands parse, paths exist, links lead somewhere.

Nothing is run. A command is parsed by its own program's parser, so that a page which names a flag,
a setting, a mode or a make target that is gone fails here, with its line.
"""

import argparse
import ast
import copy
import functools
import importlib
import pathlib
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from absl import flags
from ml_collections import config_flags

from cad_jax.commands import train
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import leaves

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = ("cad_jax", "configs", "data_pipelines", "scripts", "tests")
PAGES = [
    ROOT / "README.md",
    *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")),
]
README_LINES = 140
PLACEHOLDER = "NAME"
LAUNCHED = [ROOT / "configs" / "jobset.yaml"]

# A path of the project in code spans; `runs/...`, clips and sets are none.
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*|[\w./-]+\.(?:py|toml|npz)")
LEAVES = leaves(Experiment().to_tree())
SETTING = re.compile(rf"(?:{'|'.join(Experiment().to_tree())})\.(?!bin)\w")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
STARTED = re.compile(r"\bpython [^;|&\"\n]+")


class Found(NamedTuple):
    """Something that a page says, and where."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def page_name(page: pathlib.Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: pathlib.Path, language: str) -> Iterator[tuple[int, str]]:
    """Number of the line before it, and text, of every block in that language."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        if match[1] == language:
            yield text[: match.start(2)].count("\n"), match[2]


def spans(page: pathlib.Path) -> Iterator[Found]:
    """Code spans outside of blocks; a recipe's `NAME` stands for whatever its reader chooses."""
    text = FENCE.sub(lambda match: "\n" * match[0].count("\n"), page.read_text())
    for match in SPAN.finditer(text):
        if PLACEHOLDER in match[1]:
            continue
        line = text[: match.start()].count("\n") + 1
        yield Found(f"{page_name(page)}:{line}", " ".join(match[1].split()))


def commands(page: pathlib.Path) -> Iterator[Found]:
    """Every command of a page: lines of its bash blocks, and spans that begin like one."""
    for start, block in blocks(page, "bash"):
        line, pending = start, ""
        for text in block.splitlines():
            line += 1
            pending += text.removesuffix("\\")
            if not text.endswith("\\") and pending.strip():
                yield Found(f"{page_name(page)}:{line}", pending)
            if not text.endswith("\\"):
                pending = ""
    for start, block in blocks(page, "sh"):
        yield from started(page, block, start)
    for found in spans(page):
        if re.match(r"(python |make |cad-\w+ )", found.text):
            yield found


def started(file: pathlib.Path, text: str, start: int = 0) -> Iterator[Found]:
    """What a launcher's script or description starts on each host."""
    for match in STARTED.finditer(text):
        line = start + text[: match.start()].count("\n") + 1
        yield Found(f"{page_name(file)}:{line}", match[0])


ALL = [found for page in PAGES for found in commands(page)]
ALL += [found for file in LAUNCHED for found in started(file, file.read_text())]


def refusal(found: Found) -> str:
    """Why a command cannot be right; empty where nothing is wrong with it."""
    words = shlex.split(found.text, comments=True)
    if any("$" in word for word in words):
        return "a shell variable: write the command out"
    try:
        check(words)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def check(words: Sequence[str]) -> None:
    program, *arguments = words
    if program == "make":
        unknown = set(arguments) - make_targets()
        assert not unknown, f"no such target: {unknown}"
    elif program == "python" and arguments[:2] == ["-m", "pytest"]:
        return
    elif program == "python":
        file = ROOT / arguments[0]
        assert file.is_file(), f"no such file: {arguments[0]}"
        SCRIPTS.get(arguments[0], functools.partial(parse_script, file))(arguments[1:])
    elif program in console_commands():
        CONSOLE.get(program, functools.partial(parse_console, program))(arguments)
    else:
        assert program in ("pip", "source"), f"no such command: {program}"


def make_targets() -> set[str]:
    return set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))


def console_commands() -> dict[str, str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("scripts", {})


def parse_script(file: pathlib.Path, arguments: Sequence[str]) -> None:
    names = runpy.run_path(str(file))
    home = sys.modules.get(names["main"].__module__)  # where the script only hands over
    parse_with(names["_parser"] if "_parser" in names else vars(home)["_parser"], arguments)


def parse_console(program: str, arguments: Sequence[str]) -> None:
    module = importlib.import_module(console_commands()[program].partition(":")[0])
    parse_with(vars(module)["_parser"], arguments)


def parse_with(make: Callable[[], argparse.ArgumentParser], arguments: Sequence[str]) -> None:
    parser = make()

    def refuse(message: str) -> None:
        raise ValueError(message)

    parser.error = refuse  # type: ignore[method-assign, assignment]
    parser.parse_args(list(arguments))


def parse_train(arguments: Sequence[str]) -> None:
    """As `train.py` reads its flags; of a run's configuration, which is not here, any stands in."""
    any_run = ["--config=configs/cad.py" if is_a_run(a) else a for a in arguments]
    if not any(a.startswith("--config=") for a in any_run):
        assert any(a.startswith("--workdir=") for a in any_run), "neither --config nor --workdir"
        any_run.insert(0, "--config=configs/cad.py")
    defined = flags.FLAGS.flags_by_module_dict()[train.__name__]
    parse_config(any_run, [flag for flag in defined if flag.name != "config"])


def is_a_run(argument: str) -> bool:
    return argument.startswith("--config=") and argument.endswith(".json")


def parse_evaluate(arguments: Sequence[str]) -> None:
    parse_train(["--mode=evaluate", *arguments])


def parse_benchmark(script: str, arguments: Sequence[str]) -> None:
    values = flags.FlagValues()
    runpy.run_path(str(ROOT / script))["define_flags"](values)
    del values.config
    parse_config(arguments, [values[name] for name in values])


def parse_config(arguments: Sequence[str], others: Sequence[flags.Flag]) -> None:
    """Builds the config that the arguments choose and makes every override, in flags of its own.

    Raises:
        Exception: an unknown flag, preset or setting, or a value that it cannot have.
    """
    arguments = [absolute(argument) for argument in arguments]
    values = flags.FlagValues()
    argv = ["train.py", *arguments]
    config = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    for flag in others:
        values[flag.name] = copy.deepcopy(flag)
    rest = values(argv)[1:]
    assert not rest, f"unexpected argument {rest[0]!r}"
    Experiment.from_mapping(config.value.to_dict())


def absolute(argument: str) -> str:
    return re.sub(r"^--config=(?=configs/)", f"--config={ROOT}/", argument)


BENCHMARKS = (
    "scripts/benchmark_step.py",
    "scripts/benchmark_input.py",
    "scripts/benchmark_compile.py",
)
SCRIPTS = {name: functools.partial(parse_benchmark, name) for name in BENCHMARKS}
SCRIPTS |= {"train.py": parse_train}
CONSOLE = {"cad-train": parse_train, "cad-evaluate": parse_evaluate}


@pytest.mark.parametrize("found", ALL, ids=str)
def test_a_command_is_understood(found):
    why = refusal(found)
    assert not why, f"{found}: {why}"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("make coffee", "no such target: {'coffee'}"),
        ("cad-fly clip.mp4", "no such command"),
        ("python scripts/fly.py", "no such file"),
        ("python scripts/prepare.py --root=DIR", "--output"),
        (
            "python scripts/prepare.py --root=DIR --output=OUT --fly",
            "unrecognized arguments: --fly",
        ),
        ("python scripts/predict.py", "files"),
        ("python scripts/benchmark_step.py --config=configs/cad.py --fly", "fly"),
        ("python train.py", "neither --config nor --workdir"),
        ("python train.py --workdir=runs/mine --mode=fly", "fly"),
        ("python train.py --config=configs/cad.py:size=huge", "size=huge"),
        ("python train.py --config=configs/cad.py --config.data.fly=1", "fly"),
        ("python train.py --config=configs/cad.py --config.data.balance=never", "never"),
        ("python train.py --config=configs/cad.py --config.train.steps=many", "many"),
        ("python train.py --config=configs/cad.py:without=$part", "write the command out"),
    ],
)
def test_a_wrong_command_is_not(command, why):
    assert why in refusal(Found("here", command))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_settings_and_modes_named_alone_exist(page):
    for found in spans(page):
        if re.match(r"--(config\.|mode=)", found.text):
            command = f"python train.py --config=configs/cad.py {found.text}"
            why = refusal(Found(found.where, command))
            assert not why, f"{found}: {why}"
        elif SETTING.match(found.text) and not PATH.fullmatch(found.text):
            name = f"config.{found.text.partition('=')[0]}"
            known = any(f"{leaf}.".startswith(f"{name}.") for leaf in LEAVES)
            assert known, f"{found}: no such setting"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_named_paths_exist(page):
    missing = [
        str(found)
        for found in spans(page)
        if PATH.fullmatch(found.text) and not is_there(page, found.text)
    ]
    assert not missing


def is_there(page: pathlib.Path, name: str) -> bool:
    """From the root or from the page's folder; a module may go without its ending."""
    places = [folder / name for folder in (ROOT, page.parent)]
    return any(place.exists() or place.with_suffix(".py").exists() for place in places)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        assert other.exists(), f"{page_name(page)} links to {target}"
        if heading:
            assert heading in headings(other), f"{page_name(page)} links to {target}"


def headings(page: pathlib.Path) -> set[str]:
    lines = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_mode_is_explained():
    rows = re.findall(r"^\| `(\w+)`", (ROOT / "configs" / "README.md").read_text(), re.M)
    assert set(flags.FLAGS["mode"].parser.enum_values) <= set(rows)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < README_LINES


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_compiles_and_its_names_exist(page):
    for line, block in blocks(page, "python"):
        tree, modules = ast.parse(block, f"{page_name(page)}:{line}"), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    modules[alias.asname or alias.name] = importlib.import_module(alias.name)
            elif isinstance(node, ast.ImportFrom):
                home = importlib.import_module(str(node.module))
                assert all(hasattr(home, alias.name) for alias in node.names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                home = modules.get(node.value.id)
                assert home is None or hasattr(home, node.attr), node.attr
