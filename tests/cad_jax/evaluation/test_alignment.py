"""What evaluation says of a pretraining."""

import json

import pytest

from cad_jax.data import open_evaluation
from cad_jax.evaluation.evaluate import evaluate
from cad_jax.run.placement import load_run
from cad_jax.run.validation import validate, validated

pytestmark = pytest.mark.slow


def test_figures_are_printed_and_written_by_split(finished_pretraining, tmp_path, capsys):
    config, workdir = finished_pretraining
    run = load_run(workdir)
    evaluate(run, config, tmp_path)
    printed = capsys.readouterr().out
    for split in ("val", "test"):
        written = json.loads((tmp_path / "evaluation" / f"metrics-{split}.json").read_text())
        source = validated(config, open_evaluation(config.data, split))
        found = validate(run.config, run.mesh, run.params, source)
        assert written == {
            "split": split,
            "step": run.step,
            "sets": {"drawn": found.of_sets["drawn"]},
        }
        assert f"{split}, drawn: {len(source)} genuine clips in sync" in printed
    assert printed.count("sync_accuracy") == 2
