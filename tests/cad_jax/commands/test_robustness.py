"""The command: what it writes and prints, and that wrong input is one line."""

import csv
import json

import pytest

from cad_jax.commands.robustness import main


@pytest.mark.slow
def test_it_writes_figures_as_json_table_and_picture(finished_run, tmp_path, capsys):
    arguments = [
        f"--checkpoint={finished_run[1]}", "--kinds=gain,contrast", "--severities=5",
        "--workers=0", f"--output={tmp_path}",
    ]  # fmt: skip
    assert main(arguments) == 0
    figures = json.loads((tmp_path / "robustness.json").read_text())
    assert list(figures["kinds"]) == ["contrast", "gain"]
    assert figures["kinds"]["gain"]["severities"]["5"]["value"] == 30
    with (tmp_path / "robustness.csv").open() as file:
        rows = list(csv.DictReader(file))
    (one,) = [row for row in rows if (row["kind"], row["head"]) == ("gain", "p_fake")
              and row["measure"] == "auc"]  # fmt: skip
    auc = figures["kinds"]["gain"]["severities"]["5"]["p_fake"]["auc"]
    assert float(one["figure"]) == pytest.approx(auc)
    assert (tmp_path / "robustness.png").read_bytes()[:4] == b"\x89PNG"
    assert "30 dB quieter" in capsys.readouterr().out
    before = (tmp_path / "robustness.json").read_bytes()
    assert main(arguments) == 0
    assert (tmp_path / "robustness.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--kinds=jpg"], "no corruption 'jpg': did you mean 'jpeg'?"),
        (["--kinds="], "no kinds"),
        (["--severities=0"], "h264: severity 0 is not one of 1 to 5"),
        ([], "no checkpoint in"),
    ],
)
def test_wrong_input_is_one_line(arguments, why, tmp_path, capsys):
    command = [f"--checkpoint={tmp_path}", f"--output={tmp_path / 'out'}", *arguments]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
