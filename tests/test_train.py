"""The command line: what is wrong is one line on standard error, and a code that is not 0."""

import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = "--config=configs/cad.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name an experiment, --config=FILE"),
        ([CONFIG + ":sise=tiny"], "config option 'sise': did you mean 'size'?"),
        ([CONFIG + ":size=tny"], "config option 'size=tny': did you mean 'tiny'?"),
        ([CONFIG, "--config.modle.width=3"], 'Did you mean "model" instead of "modle"?'),
        ([CONFIG, "--config.data.xyzzy=3"], "no such setting: 'xyzzy'"),
        ([CONFIG, "--config.train.steps=many"], "invalid literal for int()"),
        ([CONFIG, "--config.data.builder=sythetic_tiny"], "did you mean 'synthetic_tiny'?"),
        ([CONFIG, "--config.data.batch_size=0"], "batch_size must be at least 1, not 0"),
        (
            [CONFIG, "--mode=fly"],
            "should be one of <train|evaluate|features|compile|",
        ),
        ([CONFIG, "--config.stage=pretrain"], "loss.cls needs labels of forgery"),
        ([CONFIG, "extra"], "unexpected argument 'extra'"),
        ([CONFIG + ":data=folder"], "config.data.path is empty"),
        ([CONFIG + ":data=folder", "--config.data.path=/nowhere"], "no such directory: /nowhere"),
        ([CONFIG + ":data=folder", "--config.data.path=.", "--mode=evaluate"], "no checkpoint in"),
    ],
)
def test_a_wrong_command_is_one_line(arguments, message, tmp_path):
    command = [sys.executable, "train.py", f"--workdir={tmp_path / 'run'}", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
