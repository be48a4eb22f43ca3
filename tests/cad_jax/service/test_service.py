"""From an upload to its answer over HTTP, and everything that is refused on the way."""

import json
import re
import socket
import time

import pytest

from cad_jax.service.jobs import Jobs


def uploads(tmp_path):
    return list((tmp_path / "service" / "uploads").iterdir())


def refused(response):
    status, _, body = response
    return status, json.loads(body)["error"]["code"]


def test_an_upload_is_answered_and_deleted(serve, tmp_path):
    client = serve()
    found = client.answer(client.upload("a voice", "my%20clip.MP4"))
    assert found["verdict"]["file"] == found["name"] == "my clip.MP4"
    assert found["verdict"]["reasons"] == [{"code": "content", "message": "a voice"}]
    assert str(tmp_path) not in json.dumps(found)
    assert uploads(tmp_path) == []


def test_the_report_is_a_page_without_scripts_that_goes_with_its_answer(serve, tmp_path):
    client = serve()
    found = client.answer(client.upload("a voice"))
    status, headers, body = client.ask("GET", found["report"])
    assert (status, body) == (200, b"<p>a voice")
    assert headers["content-type"].startswith("text/html")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    Jobs(tmp_path / "service" / "jobs.sqlite").forget(keep_s=-1.0, address_s=60.0)
    assert refused(client.ask("GET", found["report"])) == (404, "missing")


def test_no_name_from_outside_becomes_a_path(serve, judge, tmp_path):
    client = serve()
    for name in ("..%2F..%2Fetc%2Fpasswd.mp4", "%00%0A%1B.wav", "a" * 5000, "concat%3Aa%7Cb", ""):
        client.answer(client.upload("x", name))
    folder = tmp_path / "service" / "uploads"
    assert all(path.parent == folder for path in judge.judged)
    assert all(re.fullmatch(r"[\w-]{22}(\.[a-z0-9]+)?", path.name) for path in judge.judged)


def test_what_is_too_large_is_refused_declared_or_not(serve, tmp_path):
    client = serve(max_mb=1)
    chunks = iter([b"x" * 600_000, b"x" * 600_000])
    assert refused(client.ask("POST", "/jobs", chunks)) == (413, "too_large")
    headers = {"Content-Length": "1000001"}
    assert refused(client.ask("POST", "/jobs", b"x", headers)) == (413, "too_large")
    assert uploads(tmp_path) == []
    client.answer(client.upload(b"x" * 1_000_000))


def test_an_address_may_send_so_many_a_minute(serve):
    client = serve(per_minute=2)
    client.upload("1")
    client.upload("2")
    response = client.ask("POST", "/jobs", "3")
    assert refused(response) == (429, "rate")
    assert response[1]["retry-after"] == "60"


def test_who_sends_too_slowly_or_leaves_is_forgotten(serve, tmp_path):
    client = serve(upload_s=1)
    head = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    with socket.create_connection(("127.0.0.1", client.port)) as slow:
        slow.sendall(head)
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", client.port)) as gone:
        gone.sendall(head)
    end = time.monotonic() + 10
    while uploads(tmp_path) and time.monotonic() < end:
        time.sleep(0.02)
    assert uploads(tmp_path) == []


def test_a_full_queue_refuses_and_says_when_to_come_back(serve, judge):
    client = serve(max_waiting=1)
    judge.gate.clear()
    first = client.upload("1")
    response = client.ask("POST", "/jobs", "2")
    assert refused(response) == (503, "busy")
    assert int(response[1]["retry-after"]) > 0
    judge.gate.set()
    client.answer(first)


def test_no_room_is_a_refusal(serve, judge):
    client = serve(max_stored_mb=1)
    judge.gate.clear()
    client.upload(b"x" * 900_000)
    assert refused(client.ask("POST", "/jobs", b"x" * 200_000)) == (503, "busy")


def test_a_fault_costs_one_answer(serve):
    client = serve()
    ids = [client.upload(content) for content in ("a", "fault", "b")]
    found = [client.answer(id_) for id_ in ids]
    assert [f.get("error", {}).get("code", "") for f in found] == ["", "internal", ""]


def test_two_processes_share_a_folder(serve, judge):
    first, second = serve(), serve()
    ids = [client.upload(str(n)) for n in range(10) for client in (first, second)]
    said = {second.answer(id_)["verdict"]["reasons"][0]["message"] for id_ in ids}
    assert said == {str(n) for n in range(10)}
    assert len(judge.judged) == len(set(judge.judged)) == 20  # none was judged twice


def test_a_page_runs_its_own_script_alone(serve):
    client = serve(max_mb=7)
    status, headers, body = client.ask("GET", "/")
    assert status == 200
    assert b'data-max-mb="7"' in body
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert not re.search(rb"<script(?! src=)|\son\w+=|<style|style=", body)
    for part in re.findall(rb'(?:src|href)="([^"]+)"', body):
        status, headers, _ = client.ask("GET", f"/{part.decode()}")
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/nobody"),
        ("GET", "/jobs/nobody/report"),
        ("GET", "/..%2f..%2fetc%2fpasswd"),
        ("GET", "/uploads/"),
        ("PUT", "/jobs"),
        ("GET", "/jobs"),
    ],
)
def test_what_is_not_there_is_not_found(serve, method, path):
    status, headers, body = serve().ask(method, path)
    assert status == 404
    assert json.loads(body)["error"]["code"] == "missing"
    assert headers["x-frame-options"] == "DENY"


def test_health_and_metrics(serve, tmp_path):
    client = serve()
    client.answer(client.upload("abc"))
    client.ask("POST", "/jobs", b"", {"Content-Length": str(10**12)})
    status, _, body = client.ask("GET", "/health")
    assert (status, json.loads(body)) == (200, {"status": "ok", "waiting": 0, "running": 0})
    text = client.ask("GET", "/metrics")[2].decode()
    for line in (
        'cad_jobs_answered_total{verdict="authentic"} 1.0',
        'cad_jobs_refused_total{reason="too_large"} 1.0',
        "cad_jobs_accepted_total 1.0",
        "cad_upload_bytes_total 3.0",
        "cad_job_seconds_count 1.0",
        'cad_jobs{state="waiting"} 0.0',
    ):
        assert line in text.splitlines()
