"""A study's page says what its tables say, escapes files' text, does without what is missing."""

import dataclasses
import html
import json
import re

import numpy as np
import pytest

from cad_jax.commands.study import main
from cad_jax.evaluation.score_table import read_scores, write_scores
from cad_jax.study.figures import compare, table_rows
from cad_jax.study.lines import p_text, with_spread
from cad_jax.study.operating import operating_rows
from cad_jax.study.report.content import Study, report_blocks
from cad_jax.study.store import Store, read_runs
from cad_jax.study.systems import read_systems
from data_pipelines.documents.blocks import Gallery, Heading, Plots, Table, Text
from data_pipelines.documents.html_page import html_page

NASTY = "<script>alert(1)</script>|x"


@pytest.fixture
def blocks(study, protocol):
    """The page's sections by title: `blocks()`."""

    def make():
        runs, systems = read_runs([study]), read_systems([study], protocol)
        found = report_blocks(Study("mine.py", "made", protocol, [study], runs, systems))
        sections, title = {}, ""
        for block in found:
            if isinstance(block, Heading) and block.level < 3:
                title = block.text
            sections.setdefault(title, []).append(block)
        return sections

    return make


def tables(section):
    return [block.cells for block in section if isinstance(block, Table)]


def texts(section):
    return [block.text for block in section if isinstance(block, Text)]


def test_figures_are_those_of_the_tables(study, protocol, blocks):
    systems, found = read_systems([study], protocol), blocks()
    rows = table_rows(systems, protocol.metrics, draws=protocol.draws)
    (cells,) = tables(found["By test"])
    assert cells[1:] == [[r.variant, *map(with_spread, r.figures.values())] for r in rows]
    full = with_spread(rows[0].figures["auc"])
    assert texts(found["Study: made"])[0] == f"full on test: AUC {full}, 60 videos of 30 people"

    (kinds,) = tables(found["By kind of forgery"])
    assert kinds[0] == ["AUC", "number (people)", "full", "no-alignment", "late-maximum"]
    assert kinds[1][:3] == ["test, swap / none", "60 (30)", full]  # of one kind it is the whole

    (less,) = tables(found["Ablation"])
    differences = compare(systems[0], systems[1:], ("auc",), draws=protocol.draws)
    assert [row[1] for row in less[1:]] == ["no-alignment", "late-maximum"]
    assert [row[5] for row in less[1:]] == [p_text(one.p_holm) for one in differences]
    assert "Of 200 draws no p (Holm) can be below 0.020" in texts(found["Ablation"])[0]

    (operating,) = tables(found["Calibration and operating points"])
    error = operating_rows(systems, draws=protocol.draws)[0].figures["ECE"]
    assert operating[1][1] == with_spread(error)
    (plots,) = (b for b in found["Calibration and operating points"] if isinstance(b, Plots))
    assert plots.plots[0].caption.endswith(f"ECE {with_spread(error)}")


def test_hardest_clips_are_the_surest_mistakes(study, protocol, blocks):
    (cells,) = tables(blocks()["Hardest clips"])
    runs = read_systems([study], protocol)[0].splits["test"]
    clip_id, truth, said, *_, wrong = cells[1]
    row = runs[0].test.clip_id.tolist().index(clip_id)
    mean = np.mean([run.test.p_fake for run in runs], axis=0)
    label = runs[0].test.label
    assert said == f"{mean[row]:.3f}"
    assert truth == ("swap / none" if label[row] else "genuine")
    errors = np.sum([(run.test.p_fake >= run.threshold) != (label == 1) for run in runs], axis=0)
    assert wrong == f"{errors[row]} of 2"
    assert np.abs(mean - label)[row] == np.abs(mean - label)[errors > 0].max()
    assert len(cells) == 1 + min(12, (errors > 0).sum())


def rename_a_clip(study, names, split="test"):
    """Gives hostile names to clips in the stored scores of every run, and records their hashes."""
    store = Store(study)
    results = store.read()
    (study / "results.jsonl").unlink()
    for result in results:
        files = []
        for file in result.scores:
            path = study / file.path
            if file.split == split:
                table = read_scores(path)
                write_scores(dataclasses.replace(table, **names(table)), path)
            files.append(store.score_file(file.split, path))
        store.add(dataclasses.replace(result, scores=tuple(files)))


def test_what_files_say_is_escaped(study, blocks):
    def hostile(table):
        ids = [name.replace("made/", f"made/{NASTY}") for name in table.clip_id.tolist()]
        kinds = [NASTY if name == "swap" else name for name in table.method_video.tolist()]
        return {"clip_id": np.array(ids), "method_video": np.array(kinds)}

    rename_a_clip(study, hostile)
    page = html_page("x", [block for section in blocks().values() for block in section])
    assert "<script" not in page
    assert page.count(html.escape(NASTY)) > 5


def test_missing_parts_are_left_out_and_said(blocks, protocol):
    found = blocks()
    assert texts(found["Across sets"]) == ["One set: there is nothing to compare across."]
    assert len(found["Training"]) == 1 + 4  # title, and a sentence a run
    assert texts(found["Training"])[0].startswith("No training curve of full seed 0: cannot read")
    assert any(text.startswith("Without pictures") for text in texts(found["Hardest clips"]))
    assert texts(found["Warnings of the audit"]) == ["The results do not say where their sets lie."]
    assert not any(isinstance(block, Gallery) for block in found["Hardest clips"])


def test_embeddings_are_mapped_and_their_neighbours_counted(study, blocks):
    section = blocks()["Embeddings"]
    (cells,) = tables(section)
    by_chance = 29 / 59  # a video of each of 30 people is forged, one is not
    assert cells[1] == ("test", "label", "60", "1.000", f"{by_chance:.3f}")
    assert cells[3][:3] == ("test", "person", "60")
    (plots,) = (block for block in section if isinstance(block, Plots))
    assert "swap / none" in plots.plots[0].svg

    for path in study.glob("full/seed-0/embeddings-test.npy"):
        path.unlink()
    said = texts(blocks()["Embeddings"])
    assert said[1].startswith("No map of test: ")
    assert said[1].endswith("evaluate the run again")


def test_runs_that_are_not_done_are_named(study, protocol, blocks):
    store = Store(study)
    kept = [result for result in store.read() if result.name != "no-alignment seed 1"]
    (study / "results.jsonl").unlink()
    for result in kept:
        store.add(result)
    said = texts(blocks()["Study: made"])
    assert "Not run, of what the protocol asks for: no-alignment seed 1" in said


def test_logs_of_all_seeds_are_drawn(study, blocks):
    for file in study.glob("*/seed-*"):
        lines = [{"step": step, "loss": 1 / step} for step in (1, 2)]
        lines.append({"step": 2, "validation/auc": 0.5})
        (file / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (plots,) = (block for block in blocks()["Training"] if isinstance(block, Plots))
    assert [plot.caption for plot in plots.plots] == [
        "loss, a line a seed",
        "validation/auc, a line a seed",
    ]
    lines = re.findall(r'id="line2d_\d+"', plots.plots[0].svg)
    assert len(lines) >= 4


def test_how_to_repeat_has_commands_and_hashes(study, blocks):
    section = blocks()["How to repeat this"]
    commands = next(block.lines for block in section if hasattr(block, "lines"))
    assert commands == [
        f"python scripts/study.py run --protocol=mine.py --output={study}",
        f"python scripts/study.py report --protocol=mine.py --output {study}",
    ]
    inputs, runs = tables(section)
    assert list(inputs[1]) == ["data train 0", "drawn/train: 9 clips, records abc, preparation def"]
    results = Store(study).read()
    assert [row[0] for row in runs[1:]] == [result.name for result in results]
    assert runs[1][3] == results[0].scores[0].sha256[:16]


def test_the_command_writes_both_forms(study, protocol, monkeypatch, capsys):
    monkeypatch.setattr(
        "cad_jax.study.report.write.find_protocol", lambda choice: (choice, protocol)
    )
    assert main(["report", "--protocol=made", f"--output={study}"]) == 0
    page, plain = study / "report.html", study / "report.md"
    assert capsys.readouterr().out == f"written to {page} {plain}\n"
    rows = table_rows(read_systems([study], protocol), ("auc",), draws=protocol.draws)
    full = with_spread(rows[0].figures["auc"])
    assert f"full on test: AUC {full}" in page.read_text()
    assert f"**full on test: AUC {full}, 60 videos of 30 people**" in plain.read_text()
    named = set(re.findall(r"https?://[^\s\"'<>]*", page.read_text()))
    assert named == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # namespaces
    assert "<script" not in page.read_text()


def test_nothing_to_report_on_is_one_line(tmp_path, capsys):
    assert main(["report", "--protocol=smoke", f"--output={tmp_path}"]) == 1
    assert capsys.readouterr().err == f"study: no results in {tmp_path}: run the study first\n"
    assert list(tmp_path.iterdir()) == []
