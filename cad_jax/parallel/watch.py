"""Watches over a run's hosts: a stop of one is a stop of all, and whoever is lost is named.

A thread on each host, with a connection to the leader's. It works where the main thread does not:
while that compiles, or waits for others in a collective. JAX has no public way for it: its own
detection aborts the process after a minute (exit code 134), and a signal stays with one host.
"""

import contextlib
import functools
import logging
import multiprocessing
import os
import secrets
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import jax

from cad_jax.parallel import hosts
from cad_jax.parallel.stop_signals import STOP_SIGNALS, STOPPED, STOPPED_LINE, StopSignals
from data_pipelines.errors import one_line

log = logging.getLogger(__name__)

LOST = os.EX_TEMPFAIL  # the exit code where another host is gone (75)

# How long hosts that were asked to stop may take to end by themselves: to agree on a step, or to
# leave a compilation. The leader goes last, because JAX aborts the others when it goes.
GRACE_S, _LEADER_MORE_S = 20.0, 3.0
_FAIL_S = 10.0  # the same where a host failed: either all do, at about the same time, or it alone
_LEAVE_S = 1.0  # the same where a host has left already: then nothing can be saved any more
# A host that is silent for so long is lost; sooner than JAX says so (`hosts.HEARTBEAT_S`).
SILENT_S = 40.0
_TICK_S = 1.0
_CONNECT_S = 10.0


class Stopped(BaseException):
    """The run was asked to stop where there is nothing to save; not for `except Exception`."""


class _Peer:
    """Another host at the other end of a connection, which speaks in lines."""

    def __init__(self, connection: socket.socket, title: str):
        self.connection, self.title = connection, title
        self.heard_at, self.ended = time.monotonic(), False
        self._rest = b""

    def tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # it is gone: reading says so
            self.connection.sendall(f"{line}\n".encode())

    def hear(self) -> list[str] | None:
        """The lines that have arrived; None where the connection ended."""
        try:
            data = self.connection.recv(4096)
        except OSError:
            data = b""
        self.heard_at = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines] if data else None


class Watch:
    """Context of a whole run, on every host at once, after they joined.

    The first SIGTERM or Ctrl-C on any host reaches all. It raises `Stopped` in the main thread,
    where no inner context (`training.preemption.StopRequest`) takes it; whoever has not ended
    `GRACE_S` later is ended with `STOPPED`. A host that is gone, that is silent for `SILENT_S`, or
    that failed alone is named by the others, which end with `LOST`.

    Args:
        coordinator: where the leader can be reached, `host:port`; besides under its own name.
    """

    def __init__(self, coordinator: str | None = None):
        self._coordinator = coordinator
        self._title = f"host {jax.process_index()} ({socket.gethostname()})"
        self._peers: list[_Peer] = []
        self._signals = StopSignals(_raise_stopped)
        self._selector = selectors.DefaultSelector()
        self._stopping = self._held = self._leaving = self._ending = False
        self._deadline: tuple[float, int, str] | None = None

    def __enter__(self) -> "Watch":
        global _current  # signals are the whole process's, too
        if jax.process_count() > 1:
            self._peers = _connect(self._title, self._coordinator)
        for peer in self._peers:
            self._register(peer.connection, functools.partial(self._hear, peer))
        self._signals.__enter__()
        # Written to at once, by the kernel's handler; Python's waits for the main thread.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(ValueError):  # outside the main thread nothing is changed
            signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._register(reading, functools.partial(self._take_signals, reading))
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        _current = self
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        global _current
        _current = None
        self._signals.__exit__()
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
        if isinstance(error, Stopped):
            self._leave("")
        elif error is not None:
            self._tell(f"fail {self._title} failed: {one_line(error)[:300]}")
            self._end_by(1, "", _FAIL_S)  # JAX waits at the exit for all, who may wait for this one
        self._tell("end")
        self._ending = True

    def hold(self) -> None:
        """All hosts save at one agreed step: that may take as long as it takes."""
        self._held = True
        if self._deadline is not None and self._deadline[1] == STOPPED:
            self._deadline = None

    def _register(self, file: socket.socket | int, act: Callable[[], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, act)

    def _watch(self) -> None:
        # Alone it ends with the run; of many hosts each watches until its process ends.
        while self._peers or not self._ending:
            for key, _ in self._selector.select(_TICK_S):
                key.data()
            self._tell("alive")
            now = time.monotonic()
            for peer in self._peers:
                if not peer.ended and now - peer.heard_at > SILENT_S:
                    self._lose(f"{peer.title} is silent for {SILENT_S:.0f} s")
            if self._deadline is not None and now > self._deadline[0]:
                _end(*self._deadline[1:])

    def _take_signals(self, reading: int) -> None:
        if any(number in STOP_SIGNALS for number in os.read(reading, 256)) and not self._stopping:
            self._stopping = True
            self._tell("stop")
            if not self._held:
                self._end_by(STOPPED, STOPPED_LINE, GRACE_S)

    def _hear(self, peer: _Peer) -> None:
        lines = peer.hear()
        for line in lines or ():
            what, _, text = line.partition(" ")
            if what == "stop" and not self._stopping:
                os.kill(os.getpid(), signal.SIGTERM)
            elif what == "fail" and self._end_by(LOST, text, _FAIL_S):
                self._tell(line)  # from the leader to the others
            elif what == "lost":
                self._lose(text)
            elif what == "leave" and not self._leaving:
                self._leave(STOPPED_LINE)
            elif what == "end":
                peer.ended = True
        if lines is None:
            self._selector.unregister(peer.connection)
            if not peer.ended:
                self._lose(f"{peer.title} is gone")
            peer.ended = True

    def _tell(self, line: str) -> None:
        for peer in self._peers:
            peer.tell(line)

    def _leave(self, line: str) -> None:
        """Ends without saving, and so do all."""
        self._leaving, self._deadline = True, None
        self._tell("leave")
        self._end_by(STOPPED, line, _LEAVE_S)

    def _end_by(self, code: int, line: str, seconds: float) -> bool:
        """Ends the process if it has not ended in time; whether this is the first reason to."""
        if self._deadline is not None:
            return False
        more = _LEADER_MORE_S if hosts.is_lead() else 0
        self._deadline = (time.monotonic() + seconds + more, code, line)
        return True

    def _lose(self, text: str) -> None:
        """Ends the process now, if it is not about to end anyway."""
        if self._deadline is not None:
            return
        self._tell(f"lost {text}")
        if hosts.is_lead():
            time.sleep(_LEADER_MORE_S)
        _end(LOST, f"{text}; start all hosts again: they go on from the last checkpoint")


_current: Watch | None = None


def hold() -> None:
    """`Watch.hold` of the run under way, if one is watched."""
    if _current is not None:
        _current.hold()


def _raise_stopped(name: str) -> None:
    raise Stopped(name)


def _end(code: int, line: str) -> None:
    """Ends the process whatever its main thread is doing. What it writes appears whole or not."""
    if line:
        os.write(sys.stderr.fileno(), f"error: {line}\n".encode())
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(code)


def _connect(title: str, coordinator: str | None) -> list[_Peer]:
    """Connections from the leader to all others, which each have one to it."""
    token, server = secrets.token_hex(16), None
    if hosts.is_lead():
        server = socket.create_server(("", 0), backlog=jax.process_count())
        names = _names_of_this_host(coordinator)
        offer = "\t".join([title, token, str(server.getsockname()[1]), *names])
    leader, token, port, *names = hosts.gather(offer if server else "")[0].split("\t")
    peers = [] if server else _reach(names, int(port), leader)
    for peer in peers:
        peer.tell(f"{token} {title}")
    apart = [host for host in hosts.gather("" if server or peers else title) if host]
    if apart and server:
        log.warning(
            "%s cannot reach %s at %s, any port: a stop or a failure there is not passed on",
            ", ".join(apart),
            title,
            ", ".join(names),
        )
    expected = jax.process_count() - 1 - len(apart)
    return hosts.together(lambda: _accept(server, token, expected) if server else peers)


def _names_of_this_host(coordinator: str | None) -> list[str]:
    name = socket.gethostname()
    names = [coordinator.rpartition(":")[0].strip("[]")] if coordinator else []
    with contextlib.suppress(OSError):
        names.append(socket.gethostbyname(name))  # where others cannot resolve it
    return [*names, name]


def _reach(names: list[str], port: int, title: str) -> list[_Peer]:
    for name in names:
        with contextlib.suppress(OSError):
            connection = socket.create_connection((name, port), timeout=_CONNECT_S)
            connection.settimeout(None)
            return [_Peer(connection, title)]
    return []


def _accept(server: socket.socket, token: str, expected: int) -> list[_Peer]:
    peers: list[_Peer] = []
    with server:
        server.settimeout(_CONNECT_S)
        while len(peers) < expected:
            connection, _ = server.accept()
            connection.settimeout(_CONNECT_S)
            said, _, title = connection.makefile().readline().rstrip().partition(" ")
            if secrets.compare_digest(said, token):  # not a stranger
                connection.settimeout(None)
                peers.append(_Peer(connection, title))
    return peers
