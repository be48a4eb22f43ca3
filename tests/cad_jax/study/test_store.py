import dataclasses

import pytest

from cad_jax.study.inputs import first_difference
from cad_jax.study.store import Store, refuse_other_inputs
from data_pipelines.errors import UserError


def test_what_was_added_is_read(add, tmp_path):
    results = [add("full", seed) for seed in (1, 0)]
    store = Store(tmp_path / "study")
    assert store.read() == results
    assert store.find_scores(results[0], results[0].scores[1]).name == "scores-test.csv"
    assert Store(tmp_path / "nowhere").read() == []


def test_scores_that_were_changed_are_refused(add, tmp_path):
    result, store = add("full", 0), Store(tmp_path / "study")
    path = store.folder / result.scores[1].path
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(UserError, match="full seed 0 are gone or were changed"):
        store.find_scores(result, result.scores[1])


@pytest.mark.parametrize("line", ["{", "{}", '{"protocol": 3}'])
def test_a_line_that_is_no_result_is_named(add, tmp_path, line):
    add("full", 0)
    file = tmp_path / "study" / "results.jsonl"
    file.write_text(f"{file.read_text()}{line}\n")
    with pytest.raises(UserError, match=r"results\.jsonl:2 is no result"):
        Store(tmp_path / "study").read()


@pytest.mark.parametrize("what", ["data train 0", "split 0", "weights video"])
def test_results_of_other_inputs_are_not_the_same(add, inputs, what):
    first = add("full", 0)
    other = dataclasses.replace(first, seed=1, inputs=inputs | {what: "another"})
    refuse_other_inputs([first, first])
    with pytest.raises(UserError, match=f"full seed 0 and full seed 1 {what} was .*another"):
        refuse_other_inputs([first, other])
    assert first_difference(inputs, inputs) == ""
    assert what in first_difference(other.inputs, inputs)
