"""Judges files: is what they show and say forged, where, and how sure is that?

    cad-predict clip.mp4
    cad-predict clips/ 'more/*.webm' --json
    cad-predict clip.mp4 --html=report.html
    cad-predict clips/ --shard=0/4 --output=results-0.parquet

Folders are searched for videos, sounds and photos. On a terminal the verdicts are a table for
people; with --json, or where the output is no terminal, a line of JSON a file, as
cad_jax/verdicts/verdict.schema.json describes it. --html writes the report on one file, or into a
folder those on all.

The exit code is 1 if a file is manipulated; else 2 after an error, such as a file that cannot be
opened; else 3 if a person should look at one: it is suspicious, or nothing can be told of it; else
0: nothing was found.
"""

import argparse
import collections
import glob
import json
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cad_jax.bundle import DEFAULT
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.errors import UserError

FOUND, FAILED, UNSURE = 1, 2, 3
_NOT_OPENED = ("missing", "unreadable")


def main(argv: Sequence[str] | None = None) -> int:
    """Ends as the module's docstring says."""
    args = _parser().parse_args(argv)
    return run_cli("predict", lambda: _predict(args), failed=FAILED)


def _predict(args: argparse.Namespace) -> int:
    files = [*expanded(args.files)][args.shard[0] :: args.shard[1]]
    from absl import logging  # here and below: --help needs neither JAX nor a decoder

    logging.set_verbosity(logging.ERROR)  # before what it is about is imported

    from cad_jax.detector import Detector

    detector = Detector.load(args.model)
    if args.output:
        return _collect(detector, files, args)
    return _show(detector, files, args)


def _show(detector: Any, files: list[pathlib.Path], args: argparse.Namespace) -> int:
    """Prints each verdict as soon as it is known."""
    from cad_jax.verdicts.lines import heading, lines

    table = not args.json and sys.stdout.isatty()
    if table:
        print(heading())
    codes = []
    plain = detector.verdicts(files, args.timeout)
    for verdict in _reported(detector, files, args) if args.html else plain:
        said = verdict.to_json()
        codes.append(exit_code(said))
        shown = lines(verdict) if table else [json.dumps(said, allow_nan=False)]
        print(*shown, sep="\n", flush=True)
    if table:
        print(f"\n{detector.name}: {detector.bundle.notice}")
    return worst_code(codes)


def _reported(detector: Any, files: list[pathlib.Path], args: argparse.Namespace) -> Iterator[Any]:
    """Verdicts, after the page of each is written."""
    import shlex

    from cad_jax.file_report.page import write_page

    pages = report_paths(files, args.html)
    reports = detector.reports(files, args.timeout)
    for path, page, (verdict, evidence) in zip(files, pages, reports, strict=True):
        command = shlex.join(["cad-predict", str(path), f"--model={args.model}"])
        write_page(verdict, evidence, command, page)
        yield verdict


def report_paths(files: Sequence[pathlib.Path], target: pathlib.Path) -> list[pathlib.Path]:
    """Where the page of each file goes: one into `target`, several into the folder of that name.

    Raises:
        OSError: the folder cannot be made.
    """
    if len(files) == 1 and not target.is_dir():
        return [target]
    target.mkdir(parents=True, exist_ok=True)
    seen: collections.Counter[str] = collections.Counter()
    pages = []
    for path in files:
        seen[path.name] += 1
        number = f"-{seen[path.name]}" if seen[path.name] > 1 else ""
        pages.append(target / f"{path.name}{number}.html")
    return pages


def _collect(detector: Any, files: list[pathlib.Path], args: argparse.Namespace) -> int:
    """Judges what the output lacks, and says what it then holds."""
    from tqdm import tqdm

    from cad_jax.verdicts.results import open_results
    from data_pipelines.benchmarks.files import printable

    with open_results(args.output, detector.bundle.model_hash) as results:
        left = [path for path in files if printable(str(path)) not in results.done]
        verdicts = detector.verdicts(left, args.timeout)
        results.add(tqdm(verdicts, "judging", len(left), disable=None))
        counts, codes = collections.Counter(), set()
        for verdict in results.verdicts():
            counts[verdict["verdict"]] += 1
            codes.add(exit_code(verdict))
    said = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(f"{args.output}: {counts.total()} files, {len(left)} of them judged now; {said}")
    return worst_code(codes)


def expanded(names: Iterable[str]) -> Iterator[pathlib.Path]:
    """Files, folders and patterns as files, each once.

    Raises:
        UserError: a folder holds nothing to judge, or a pattern fits nothing.
    """
    from data_pipelines.benchmarks.files import media_below

    seen: set[pathlib.Path] = set()
    for name in names:
        whole = pathlib.Path(name)
        plain = whole.exists() or not glob.has_magic(name)
        matches = [name] if plain else sorted(glob.glob(name, recursive=True))  # noqa: PTH207
        found = [
            file
            for path in map(pathlib.Path, matches)
            for file in (media_below(path) if path.is_dir() else [path])
        ]
        if not found:
            kind = "no video, sound or photo in it" if whole.is_dir() else "no file is named so"
            raise UserError(f"{name}: {kind}")
        for path in found:
            if path not in seen:
                seen.add(path)
                yield path


def exit_code(verdict: dict[str, Any]) -> int:
    """What one file's verdict, as JSON, alone would end the program with."""
    if verdict["verdict"] == "manipulated":
        return FOUND
    if any(reason["code"] in _NOT_OPENED for reason in verdict["reasons"]):
        return FAILED
    return 0 if verdict["verdict"] == "authentic" else UNSURE


def worst_code(codes: Iterable[int]) -> int:
    """What the verdicts of several files end it with."""
    return next((code for code in (FOUND, FAILED, UNSURE) if code in set(codes)), 0)


def _shard(text: str) -> tuple[int, int]:
    first, slash, count = text.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i from 0 to n - 1")
    return int(first), int(count)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "predict")
    parser.add_argument("files", nargs="+", help="files, folders or patterns such as 'a/*.mp4'")
    parser.add_argument(
        "--model", default=DEFAULT, help="a bundle that comes along, a bundle's folder, or a run's"
    )
    parser.add_argument("--json", action="store_true", help="lines of JSON on a terminal too")
    parser.add_argument("--timeout", type=float, default=900.0, help="per file, seconds")
    parser.add_argument(
        "--shard", type=_shard, default=(0, 1), metavar="i/n", help="only every n-th file from i on"
    )
    into = parser.add_mutually_exclusive_group()
    into.add_argument(
        "--html", type=pathlib.Path, help="a file, or a folder, for reports to look at"
    )
    into.add_argument(
        "--output", type=pathlib.Path, help="a Parquet file for the verdicts; goes on with it"
    )
    return parser
