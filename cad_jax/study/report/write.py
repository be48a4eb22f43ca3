"""Writes a study's page in both its forms."""

import pathlib
from collections.abc import Sequence

from cad_jax.settings.protocol import find_protocol
from cad_jax.study.report.content import Study, report_blocks
from cad_jax.study.store import read_runs
from cad_jax.study.systems import read_systems
from data_pipelines.documents.html_page import html_page
from data_pipelines.documents.markdown import markdown_page
from data_pipelines.records.atomic import atomic_writer


def write_report(choice: str, folders: Sequence[pathlib.Path]) -> tuple[pathlib.Path, ...]:
    """Writes `report.html` and `report.md` into the first folder, whole or not at all.

    Args:
        choice: the protocol, as `find_protocol` takes it.
        folders: of the study's parts.

    Returns:
        The two files.

    Raises:
        UserError: no such protocol; no results; see `read_systems`.
        OSError: a file cannot be written.
    """
    name, protocol = find_protocol(choice)
    systems, runs = read_systems(folders, protocol), read_runs(folders)
    blocks = report_blocks(Study(choice, name, protocol, folders, runs, systems))
    pages = {
        folders[0] / "report.html": html_page(f"Study: {name}", blocks),
        folders[0] / "report.md": markdown_page(blocks),
    }
    for path, text in pages.items():
        with atomic_writer(path) as write:
            write(text.encode())
    return tuple(pages)
