"""A file's own claims: read within limits, printable, and nothing fetched."""

import json
import sys
import types

import av
import numpy as np
import pytest

from data_pipelines.media import provenance
from data_pipelines.media.errors import MediaError
from data_pipelines.media.provenance import MOST_LETTERS, MOST_TAGS, read_provenance


@pytest.fixture
def file(tmp_path):
    """A second of sound whose maker wrote what they liked."""
    path = tmp_path / "sound.mka"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "\x1b[31m<script>" + "x" * 1000
        container.metadata.update({f"tag{n:03}": "text" for n in range(100)})
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), "s16", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    return path


def test_claims_are_bounded_and_printable(file):
    found = read_provenance(file)
    assert dict(found.container)["format"] == "Matroska / WebM"
    assert dict(found.container)["size"] == f"{file.stat().st_size:,} bytes"
    (stream,) = found.streams
    assert dict(stream)["codec"] == "pcm_s16le"
    assert dict(stream)["rate"] == "16000 Hz"
    of_file = [name for name, _ in found.tags if name.startswith("file: ")]
    assert len(of_file) == MOST_TAGS
    for _, text in found.tags:
        assert len(text) <= MOST_LETTERS
        assert text.isprintable()
    with pytest.raises(MediaError, match="no such file"):
        read_provenance(file.with_name("gone.mka"))


class FakeReader:
    """What c2pa would say of a file."""

    store = None
    context = None

    @classmethod
    def try_create(cls, stream, context):
        cls.context = context
        return cls() if cls.store else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def json(self):
        return json.dumps(self.store)


class FakeContext:
    @staticmethod
    def from_dict(settings):
        return FakeContext(settings)

    def __init__(self, settings):
        self.settings = settings

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def c2pa(monkeypatch):
    class Error(Exception):
        class NotSupported(Exception):
            pass

    module = types.SimpleNamespace(Context=FakeContext, Reader=FakeReader, C2paError=Error)
    monkeypatch.setitem(sys.modules, "c2pa", module)
    return module


def test_without_the_extra_nobody_looks_for_credentials(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = read_provenance(file)
    assert (found.credentials, found.credentials_checked) == ((), False)


def test_credentials_are_read_without_the_network(file, c2pa, monkeypatch):
    found = read_provenance(file)
    assert (found.credentials, found.credentials_checked) == ((), True)
    assert c2pa.Reader.context.settings["verify"] == {
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
    }
    manifest = {
        "title": "clip\x07.mp4",
        "claim_generator": "A camera",
        "signature_info": {"issuer": "A maker", "time": "2026-01-02"},
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created"}]}}
        ],
    }
    store = {
        "active_manifest": "urn:1",
        "manifests": {"urn:1": manifest},
        "validation_state": "Invalid",
        "validation_status": [{"code": "signingCredential.untrusted"}],
    }
    monkeypatch.setattr(FakeReader, "store", store)
    assert read_provenance(file).credentials == (
        ("validation", "Invalid"),
        ("faults", "signingCredential.untrusted"),
        ("title", "clip\\x07.mp4"),
        ("made by", "A camera"),
        ("signed by", "A maker"),
        ("signed at", "2026-01-02"),
        ("actions", "c2pa.created"),
    )
    monkeypatch.setattr(provenance, "LARGEST_CREDENTIALS", 10)
    assert not read_provenance(file).credentials_checked
