"""Runs of several real processes on loopback."""

import socket
import subprocess
import sys
import time

import pytest

PATIENCE_S = 1800  # with work whose time shows nothing: the machine may be busy


class Hosts:
    """The processes of a run, with what they say.

    Args:
        folder: for that.
        commands: their arguments; `PORT` stands for a free one.
        environment: of each.
    """

    def __init__(self, folder, *commands, environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.outputs = [folder / f"host-{number}.txt" for number in range(len(commands))]
        self.processes = []
        for command, output in zip(commands, self.outputs, strict=True):
            arguments = [sys.executable, *(part.replace("PORT", port) for part in command)]
            with output.open("w") as file:
                self.processes.append(
                    subprocess.Popen(
                        arguments,
                        env=environment,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def signal(self, host, number):
        self.processes[host].send_signal(number)

    def wait(self, seconds=PATIENCE_S):
        """Their exit codes, in at most so many seconds."""
        deadline = time.monotonic() + seconds
        return [p.wait(max(deadline - time.monotonic(), 0)) for p in self.processes]

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait_until_saved(self, workdir, step):
        deadline = time.monotonic() + PATIENCE_S
        while not any(int(p.name) >= step for p in workdir.glob("checkpoints/[0-9]*[0-9]")):
            late = time.monotonic() > deadline or any(p.poll() for p in self.processes)
            assert not late, self.all_said()
            time.sleep(0.05)

    def wait_until_ready(self, host):
        deadline = time.monotonic() + PATIENCE_S
        while "ready" not in self.said(host):
            assert time.monotonic() < deadline, self.said(host)
            time.sleep(0.05)

    def all_said(self):
        return "\n".join(output.read_text() for output in self.outputs)

    def said(self, number):
        return self.outputs[number].read_text()


@pytest.fixture
def start_hosts(environment):
    """Starts the processes of a run, each of so many devices, see `Hosts`; none is left behind."""
    started = []

    def start(*arguments, devices=2):
        started.append(Hosts(*arguments, environment=environment(devices)))
        return started[-1]

    yield start
    for hosts in started:
        hosts.kill()
