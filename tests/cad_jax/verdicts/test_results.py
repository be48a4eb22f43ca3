"""A killed run goes on, and no file is judged twice."""

import pyarrow.parquet as pq
import pytest

from cad_jax.verdicts.decide import FileFacts, undecided
from cad_jax.verdicts.results import open_results
from cad_jax.verdicts.schema import ModelFacts, Reason
from data_pipelines.errors import UserError

HASH = "0" * 64


def verdict(name):
    facts = FileFacts(name, 2.0, "1" * 64, (Reason("too_short", "0.1 s"),))
    return undecided(facts, "cannot_tell", ModelFacts("toy", HASH))


def killed_after(*names):
    yield from map(verdict, names)
    raise KeyboardInterrupt


def test_a_killed_run_goes_on(tmp_path):
    output = tmp_path / "results.parquet"
    with open_results(output, HASH) as results, pytest.raises(KeyboardInterrupt):
        results.add(killed_after("a", "b"))
    assert not output.exists()
    with (tmp_path / "results.parquet.journal").open("a") as journal:
        journal.write('{"file": "c", "verd')  # in the middle of a line
    with open_results(output, HASH) as results:
        assert results.done == {"a", "b"}
        results.add([verdict("c")])
    table = pq.read_table(output)
    assert table["file"].to_pylist() == ["a", "b", "c"]
    assert table["reasons"].to_pylist() == [["too_short"]] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".results.parquet.lock", "results.parquet",
    ]  # fmt: skip


def test_a_finished_one_takes_more(tmp_path, judged, windows):
    output = tmp_path / "results.parquet"
    for name in ("a", "b"):
        with open_results(output, HASH) as results:
            results.add([verdict(name)])
    found = judged(windows(9, p_audio=0.95, face=-1))
    with open_results(output, HASH) as results:
        assert results.done == {"a", "b"}
        results.add([found])
        assert list(results.verdicts())[2] == found.to_json()
    last = pq.read_table(output).to_pylist()[2]
    assert (last["audio_verdict"], last["video_score"]) == ("manipulated", None)
    assert last["ranges"] == [{"start_s": 0.0, "end_s": 10.0, "score": 0.95, "modality": "audio"}]


def test_verdicts_of_another_model_and_other_files_are_refused(tmp_path):
    output = tmp_path / "results.parquet"
    with open_results(output, HASH) as results:
        results.add([verdict("a")])
    with (
        pytest.raises(UserError, match="verdicts of another model, toy"),
        open_results(output, "f"),
    ):
        pass
    output.write_text("no table")
    with pytest.raises(UserError, match="holds no verdicts"), open_results(output, HASH):
        pass


def test_two_processes_do_not_write_one_result(tmp_path):
    output = tmp_path / "results.parquet"
    with (
        open_results(output, HASH),
        pytest.raises(UserError, match="is being written"),
        open_results(output, HASH),
    ):
        pass
