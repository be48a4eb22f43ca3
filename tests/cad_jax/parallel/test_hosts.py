"""How processes join: by flags, by environment, or detected; else one line says what is missing."""

import signal

import pytest

from cad_jax.parallel import hosts
from data_pipelines.errors import UserError


@pytest.fixture
def joined(monkeypatch):
    """What JAX was asked for."""
    asked = []
    for variable in hosts._ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("jax.distributed.initialize", lambda *args, **_: asked.append(args))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return asked


def test_flags_go_before_the_environment(joined, monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "there:1")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "4")
    monkeypatch.setenv("JAX_PROCESS_ID", "3")
    hosts.join()
    hosts.join("here:2", 2, 0)
    assert joined == [("there:1", 4, 3), ("here:2", 2, 0)]


def test_without_any_the_cluster_is_detected(joined):
    hosts.join()
    assert joined == [(None, None, None)]


@pytest.mark.parametrize("stated", [("here:2", 2, None), ("here:2", None, 0), (None, 2, 0)])
def test_one_alone_is_not_enough(joined, stated):
    with pytest.raises(UserError, match="belong together: one of them is missing"):
        hosts.join(*stated)


def test_a_number_that_is_none_is_named(joined, monkeypatch):
    monkeypatch.setenv("JAX_PROCESS_ID", "first")
    with pytest.raises(UserError, match="JAX_PROCESS_ID=first: not a number"):
        hosts.join()


def test_no_cluster_says_what_was_looked_for(joined, monkeypatch):
    def find_nothing(*_, **__):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr("jax.distributed.initialize", find_nothing)
    with pytest.raises(UserError, match=r"looked for --coordinator.*JAX_NUM_PROCESSES.*SLURM"):
        hosts.join()


@pytest.fixture
def two_hosts(monkeypatch):
    """This process as host 0 of two; the other one says `theirs`, in turn."""
    theirs = []
    monkeypatch.setattr("jax.process_count", lambda: 2)
    monkeypatch.setattr(hosts, "gather", lambda text: [text, theirs.pop(0)])
    return theirs


def test_a_failure_of_one_is_a_failure_of_all(two_hosts):
    two_hosts += ["node-b", "no such folder"]
    with pytest.raises(UserError, match=r"^host 1 \(node-b\): no such folder$"):
        hosts.together(lambda: 5)
    two_hosts += ["node-b", ""]
    with pytest.raises(UserError, match=r"^host 0 \(.*\): disk full$"):
        hosts.together(lambda: fail("disk\nfull"))
    two_hosts += ["node-b", ""]
    assert hosts.together(lambda: 5) == 5


def fail(text):
    raise OSError(text)


def test_the_host_that_differs_is_named_with_what_differs(two_hosts):
    two_hosts += ["node-b a b"]
    with pytest.raises(
        UserError, match=r"^host 1 \(node-b\) has another seed and another code than host 0 \("
    ):
        hosts.refuse_different({"seed": "1", "code": "x"})


def test_alone_nothing_differs():
    hosts.refuse_different({"seed": "1"})
    assert hosts.lead_first(lambda: 5) == hosts.together(lambda: 5) == hosts.agree(5) == 5
    assert hosts.gather("text") == ["text"]
