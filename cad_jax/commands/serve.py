"""Judges uploads: `cad-serve --model=tiny --folder=DIR`, then http://127.0.0.1:8000.

Uploads and answers are in the folder; a process that is killed loses nothing accepted, and several
processes that are given the same folder share the work. It listens to this machine alone: put a
proxy that speaks TLS before it.
"""

import argparse
import dataclasses
import pathlib
import shlex
from collections.abc import Iterator, Sequence

from cad_jax.bundle import DEFAULT
from cad_jax.service.jobs import Jobs
from cad_jax.service.settings import ServiceSettings
from cad_jax.service.worker import Judge, Worker
from cad_jax.verdicts.schema import FileVerdict
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.errors import UserError
from data_pipelines.paths import local_path

_HELP = {
    "max_mb": "of one upload",
    "upload_s": "seconds that one upload may take",
    "max_uploads": "received at once by this process",
    "per_minute": "uploads of one address",
    "max_waiting": "jobs not yet answered",
    "max_stored_mb": "of all uploads not yet judged",
    "max_reports_mb": "of all reports kept, the oldest of which go first",
    "timeout_s": "seconds that decoding one file may take",
    "max_seconds": "of picture or sound in one file",
    "keep_hours": "after which an answer and its report are deleted",
}


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it was stopped, or 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    return run_cli("serve", lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    try:
        import uvicorn

        from cad_jax.service.app import make_app
    except ImportError as error:
        raise UserError(f"{error.name} is not installed; it is in the extra [serve]") from error

    settings = ServiceSettings(**{name: getattr(args, name) for name in ("folder", *_HELP)})
    judge = _judge(args.model, settings.max_seconds)
    settings.uploads.mkdir(parents=True, exist_ok=True)
    worker = Worker(settings, Jobs(settings.folder / "jobs.sqlite"), judge)
    uvicorn.run(
        make_app(settings, worker),
        host=args.host,
        port=args.port,
        http="h11",
        ws="none",
        limit_concurrency=4 * settings.max_uploads,
        log_level="warning",
        access_log=False,
        server_header=False,
    )


def _judge(model: str, max_seconds: int) -> Judge:
    """A detector's verdicts and reports on files that are no longer than that."""
    from cad_jax.detector import Detector
    from cad_jax.file_report.page import page_of

    detector = Detector.load(model)
    bundle = detector.bundle
    limits = dataclasses.replace(bundle.settings.limits, max_seconds=float(max_seconds))
    bundle = bundle._replace(settings=dataclasses.replace(bundle.settings, limits=limits))
    detector = dataclasses.replace(detector, bundle=bundle)

    def judge(
        files: Sequence[tuple[pathlib.Path, str]], timeout_s: float
    ) -> Iterator[tuple[FileVerdict, bytes]]:
        reports = detector.reports([path for path, _ in files], timeout_s)
        for (_, name), (verdict, evidence) in zip(files, reports, strict=True):
            verdict = dataclasses.replace(verdict, file=name)
            command = shlex.join(["cad-predict", name, f"--model={model}"])
            yield verdict, page_of(verdict, evidence, command)

    return judge


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "serve")
    parser.add_argument("--model", default=DEFAULT, help="a bundle, its name, or a run's --workdir")
    parser.add_argument("--folder", type=local_path, required=True, help="for uploads and answers")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen to")
    parser.add_argument("--port", type=int, default=8000)
    defaults = {field.name: field.default for field in dataclasses.fields(ServiceSettings)}
    for name, text in _HELP.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=defaults[name], help=f"{text} (%(default)s)")
    return parser
