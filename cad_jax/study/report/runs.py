"""What a page tells of a study's runs: how they trained, and how another person repeats them."""

import json
import pathlib
import shlex
from collections.abc import Iterator, Sequence

from cad_jax.settings.protocol import Protocol
from cad_jax.study.report.plots import training_plot
from cad_jax.study.store import Result, Store, run_folder
from cad_jax.telemetry.history import read_history
from data_pipelines.audit.page import leak_cells, shared, shortcut_cells
from data_pipelines.audit.shortcuts import suspicious
from data_pipelines.documents.blocks import Block, Cells, Commands, Plots, Table, Text
from data_pipelines.errors import UserError

AUDIT_FILE = "audit.json"
_LOGGED = ("loss", "validation/auc")
_SHORT = 16  # characters of a hash; `results.jsonl` has them whole

Runs = Sequence[tuple[Store, Result]]


def training_blocks(runs: Runs) -> Iterator[Block]:
    """The loss and the validation AUC of every run whose log is there."""
    histories: dict[str, list] = {}
    for store, result in runs:
        workdir = run_folder(store.folder, result.variant, result.seed)
        try:
            histories.setdefault(result.variant, []).append(read_history(workdir))
        except UserError as error:
            yield Text(f"No training curve of {result.name}: {error}")
    plots = []
    for name in _LOGGED:
        curves = {
            variant: [history[name] for history in of if name in history]
            for variant, of in histories.items()
        }
        if any(curves.values()):
            plots.append(training_plot(name, {v: of for v, of in curves.items() if of}))
    if plots:
        yield Text("Losses of variants are sums of different terms: compare a variant's seeds.")
        yield Plots(plots)


def audit_blocks(result: Result) -> Iterator[Block]:
    """The warnings of each set's audit, where one lies beside its records."""
    data = result.config.get("data", {})
    folders = [folder for folder in (data.get("path"), *data.get("evaluate_paths", ())) if folder]
    for folder in folders:
        file = pathlib.Path(folder) / AUDIT_FILE
        try:
            yield from _warnings(str(folder), json.loads(file.read_text()))
        except OSError:
            yield Text(f"{folder}: no audit lies beside it; this makes one:")
            yield Commands([f"python scripts/audit.py --path={shlex.quote(str(folder))}"])
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Text(f"{file} is no report of an audit", "warning")
    if not folders:
        yield Text("The results do not say where their sets lie.")


def repeat_blocks(
    choice: str, protocol: Protocol, folders: Sequence[pathlib.Path], runs: Runs
) -> Iterator[Block]:
    """Commands and hashes."""
    results = [result for _, result in runs]
    yield Text(
        "A figure is the same where these are: code, settings, records, splits, preparation and "
        "weights. `run` refuses a folder whose results are of other inputs or settings."
    )
    made = [command for one in protocol.sets for command in one.commands()]
    if made:
        yield Text("The sets, with DIR for the data; then the study:")
    else:
        yield Text("The preset's builder makes the set. The study:")
    asked = f"--protocol={shlex.quote(choice)} --output"
    places = " ".join(shlex.quote(str(folder)) for folder in folders)
    once = [f"python scripts/study.py run {asked}={shlex.quote(str(f))}" for f in folders]
    yield Commands([*made, *once, f"python scripts/study.py report {asked} {places}"])
    yield Table([["what was read", "content"], *sorted(results[0].inputs.items())])
    yield Table(_run_cells(results))
    hardware = ", ".join(sorted({result.hardware for result in results}))
    hours = sum(result.seconds.get("process", 0) for result in results) / 3600
    yield Text(f"Made on {hardware}; {hours:.1f} hours of processes in all.")


def _warnings(folder: str, report: dict) -> Iterator[Block]:
    suspects = [entry for entry in report["shortcuts"] if suspicious(entry)]
    leaks = shared(report)
    if not suspects and not leaks:
        yield Text(f"{folder}: no shortcut is suspicious, and splits share nothing.")
    if suspects:
        yield Text(f"{folder}: shortcuts that tell forged from genuine clips (AUC)", "warning")
        yield Table(shortcut_cells(suspects))
    if leaks:
        yield Text(f"{folder}: what splits share", "warning")
        yield Table(leak_cells(leaks))


def _run_cells(results: Sequence[Result]) -> Cells:
    splits = [one.split for one in results[0].scores]
    rows = [
        [
            result.name,
            result.code[:_SHORT],
            result.configuration[:_SHORT],
            *(one.sha256[:_SHORT] for one in result.scores),
            f"{result.seconds.get('process', 0) / 60:.1f}",
        ]
        for result in results
    ]
    return [["run", "code", "settings", *(f"scores of {s}" for s in splits), "minutes"], *rows]
