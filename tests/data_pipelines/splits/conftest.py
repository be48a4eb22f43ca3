"""Clips by what is said of them; nothing lies on disk."""

import pathlib
from collections.abc import Callable

import pytest

from data_pipelines.benchmarks.base import ClipSource


def _clip(
    key, identities="", *, pair="", split="", label=-1, root=pathlib.Path("nowhere"), **facts
):
    return ClipSource(
        path=root / key,
        key=key,
        dataset="clips",
        split=split,
        source_ids=tuple(identities.split(";")) if identities else (),
        pair_id=pair,
        label_video=label,
        provenance=facts,
    )


@pytest.fixture(scope="session")
def clip() -> Callable[..., ClipSource]:
    return _clip
