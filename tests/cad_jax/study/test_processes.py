import concurrent.futures
import signal
import sys
import time

from cad_jax.parallel.stop_signals import STOPPED
from cad_jax.study.processes import Processes


def test_a_command_has_an_exit_code_and_a_log(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        code = Processes().run([sys.executable, "-c", "print('said'); exit(3)"], log)
    assert code == 3
    assert (tmp_path / "log").read_text() == "said\n"


def test_a_launcher_stands_before_the_command(tmp_path):
    said = [sys.executable, "-c", "import os; print(os.environ['NODE'])"]
    with (tmp_path / "log").open("wb") as log:
        assert Processes(["env", "NODE=7"]).run(said, log) == 0
    assert (tmp_path / "log").read_text() == "7\n"


def test_a_stop_ends_what_runs_and_lets_nothing_begin(tmp_path):
    wait = "import time; print('begun', flush=True); time.sleep(100)"
    processes, command = Processes(), [sys.executable, "-c", wait]
    with (tmp_path / "log").open("wb") as log, concurrent.futures.ThreadPoolExecutor(2) as pool:
        codes = [pool.submit(processes.run, command, log) for _ in range(2)]
        while (tmp_path / "log").read_text() != "begun\nbegun\n":
            time.sleep(0.01)
        processes.stop()
        assert [code.result(timeout=10) for code in codes] == [-signal.SIGTERM] * 2
        assert processes.run(command, log) == STOPPED
    assert (tmp_path / "log").read_text() == "begun\nbegun\n"
