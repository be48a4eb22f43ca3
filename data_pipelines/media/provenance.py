"""What a file says of where it comes from: container, streams, tags, Content Credentials.

Owns what is read and how much of it. Every text is the file's own claim: whoever made the file
could write anything there. Nothing is decoded, and nothing is fetched from anywhere.
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import av

from data_pipelines.errors import visible
from data_pipelines.media.container import open_container

MOST_STREAMS, MOST_TAGS, MOST_LETTERS = 16, 40, 300  # of one file, of one place, of one text
LARGEST_CREDENTIALS = 2 * 2**30  # bytes of a file whose Content Credentials are checked

Facts = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a file claims, as names and printable texts of bounded length.

    Attributes:
        container: format, size, duration and rate of the whole.
        streams: of each stream, `MOST_STREAMS` at most.
        tags: where they stand and what they are, e.g. (`stream 0: encoder`, `Lavc libx264`).
        credentials: what its Content Credentials say; empty where there are none, or where nothing
            looked for them.
        credentials_checked: whether something did; `cad-jax[c2pa]` does.
    """

    container: Facts
    streams: tuple[Facts, ...]
    tags: Facts
    credentials: Facts
    credentials_checked: bool


def read_provenance(path: pathlib.Path) -> Provenance:
    """Reads headers and, where `c2pa` is installed, checks the signature over the whole file.

    Raises:
        MediaError: as `open_container`.
    """
    with open_container(path) as container:
        streams = list(itertools.islice(container.streams, MOST_STREAMS))
        tags = dict(_tags("file", container.metadata))
        for stream in streams:
            tags |= _tags(f"stream {stream.index}", stream.metadata)
        facts = {
            "format": container.format.long_name,
            "size": f"{path.stat().st_size:,} bytes",
            "duration": f"{(container.duration or 0) / av.time_base:.3f} s",
            "bit rate": f"{container.bit_rate / 1000:.0f} kbit/s" if container.bit_rate else "",
            "streams": str(len(container.streams)),
        }
        described = tuple(_facts(_stream(stream)) for stream in streams)
    checked = _credentials(path)
    return Provenance(
        _facts(facts), described, tuple(tags.items()), checked or (), checked is not None
    )


def _stream(stream: Any) -> dict[str, str]:
    context = stream.codec_context
    facts = {"stream": str(stream.index), "type": stream.type}
    if context is None:
        return facts | {"codec": "unknown"}
    facts |= {"codec": context.name, "profile": str(stream.profile or "")}
    if stream.type == "video":
        rate = stream.average_rate
        facts |= {
            "picture": f"{context.width} x {context.height}",
            "rate": f"{float(rate):.3f} frames/s" if rate else "",
            "pixels": str(context.pix_fmt or ""),
        }
    elif stream.type == "audio":
        facts |= {"rate": f"{context.sample_rate} Hz", "channels": context.layout.name}
    return facts | {"bit rate": f"{stream.bit_rate / 1000:.0f} kbit/s" if stream.bit_rate else ""}


def _tags(where: str, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in itertools.islice(sorted(tags.items()), MOST_TAGS):
        yield _short(f"{where}: {name}"), _short(text)


def _facts(facts: Mapping[str, str]) -> Facts:
    return tuple((name, _short(text)) for name, text in facts.items() if text)


def _short(text: str) -> str:
    text = visible(text)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _credentials(path: pathlib.Path) -> Facts | None:
    """What the manifest says; None where nothing looked for one."""
    try:
        import c2pa  # type: ignore[import-not-found]  # an extra
    except ImportError:
        return None
    if path.stat().st_size > LARGEST_CREDENTIALS:
        return None
    offline = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    try:
        with path.open("rb") as file, c2pa.Context.from_dict(offline) as context:
            reader = c2pa.Reader.try_create(stream=file, context=context)
            if reader is None:
                return ()
            with reader:
                return _manifest(json.loads(reader.json()))
    except c2pa.C2paError.NotSupported:  # a kind of file that carries none
        return None
    except c2pa.C2paError as error:
        return (("not readable", _short(str(error))),)


def _manifest(store: dict[str, Any]) -> Facts:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info") or {}
    actions = [
        str(action.get("action", ""))
        for assertion in manifest.get("assertions", ())
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", ())
    ]
    faults = [str(fault.get("code", "")) for fault in store.get("validation_status") or ()]
    return _facts(
        {
            "validation": str(store.get("validation_state", "")),
            "faults": ", ".join(faults),
            "title": str(manifest.get("title") or ""),
            "made by": str(manifest.get("claim_generator") or ""),
            "signed by": str(signature.get("issuer") or ""),
            "signed at": str(signature.get("time") or ""),
            "actions": ", ".join(actions),
        }
    )
