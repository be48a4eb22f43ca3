"""A service on loopback whose detector is a stand-in: what a file holds says what becomes of it."""

import contextlib
import http.client
import json
import threading
import time

import pytest
import uvicorn

from cad_jax.service.app import make_app
from cad_jax.service.jobs import Jobs
from cad_jax.service.settings import ServiceSettings
from cad_jax.service.worker import Worker
from cad_jax.verdicts.schema import FileVerdict, ModelFacts, Reason


class StandIn:
    """Says `authentic` of every file, with its bytes as the reason and the report."""

    def __init__(self):
        self.judged = []
        self.gate = threading.Event()
        self.gate.set()

    def judge(self, files, timeout_s):
        for path, name in files:
            content = path.read_text(errors="replace")
            if content == "fault":
                raise RuntimeError("a fault of ours")
            self.gate.wait(20)
            self.judged.append(path)
            verdict = FileVerdict(
                file=name,
                verdict="authentic",
                score=0.1,
                reasons=(Reason("content", content),),
                modalities={},
                faces=(),
                ranges=(),
                sync_offset_ms=None,
                duration_s=None,
                sha256=None,
                model=ModelFacts("stand-in", "0" * 64),
                warnings=(),
            )
            yield verdict, f"<p>{content}".encode()


class Client:
    """Speaks to a service as a browser would."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of a response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def upload(self, body, name="clip.mp4"):
        """The id of an accepted job."""
        status, _, content = self.ask("POST", f"/jobs?name={name}", body)
        assert status == 202, content
        return json.loads(content)["id"]

    def answer(self, id_, within_s=20.0):
        """What was said of a job, once it is done."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            found = json.loads(self.ask("GET", f"/jobs/{id_}")[2])
            if found["state"] == "done":
                return found
            time.sleep(0.02)
        raise AssertionError(found)


@pytest.fixture
def judge():
    return StandIn()


@pytest.fixture
def serve(tmp_path, judge):
    """Starts a service of the folder; any number of times, with other limits."""
    with contextlib.ExitStack() as stack:

        def start(**limits):
            settings = ServiceSettings(tmp_path / "service", **limits)
            settings.uploads.mkdir(parents=True, exist_ok=True)
            worker = Worker(settings, Jobs(settings.folder / "jobs.sqlite"), judge.judge)
            app = make_app(settings, worker)
            config = uvicorn.Config(app, port=0, log_level="critical", http="h11", ws="none")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run)
            thread.start()

            def stop():
                server.should_exit = True
                judge.gate.set()
                thread.join(30)

            stack.callback(stop)
            while not server.started:
                time.sleep(0.01)
            return Client(server.servers[0].sockets[0].getsockname()[1])

        yield start
