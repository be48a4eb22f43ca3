import io
import sys

from data_pipelines.commands.run import run_cli
from data_pipelines.errors import UserError


def test_a_name_that_the_terminal_cannot_print_ends_no_command(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    odd = "Müller 你好 " + b"\xb1.mp4".decode("utf-8", "surrogateescape")
    assert run_cli("prepare", lambda: print(odd)) == 0
    terminal.flush()
    assert terminal.buffer.getvalue() == b"M\\xfcller \\u4f60\\u597d \\udcb1.mp4\n"


def test_a_name_moves_no_cursor(capsys):
    def work():
        raise UserError("no such file: \x1b[2Ja.mp4")

    assert run_cli("prepare", work) == 1
    assert capsys.readouterr().err == "prepare: no such file: \\x1b[2Ja.mp4\n"
