"""Two sets from end to end, one of them without sound: drawn, balanced, evaluated apart."""

import json

import numpy as np
import pytest

from cad_jax.evaluation.evaluate import evaluate
from cad_jax.run.placement import load_run
from cad_jax.training.loop import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mixed_run(small_experiment, drawn_set, silent_set, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("mixed")
    config = small_experiment(
        data={
            "path": str(drawn_set),
            "extra_paths": (str(silent_set),),
            "evaluate_paths": (str(silent_set),),
            "mixture_weights": (0.75, 0.25),
            "balance": "class",
        }
    )
    assert train(config, workdir)
    return config, workdir


def test_each_set_is_validated_and_their_mean_chooses(mixed_run):
    _, workdir = mixed_run
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    validated = {row["step"]: row for row in lines if "validation/auc" in row}
    assert set(validated) == {4, 6}
    for row in validated.values():
        of_sets = [row["validation/auc/drawn"], row["validation/auc/silent"]]
        assert row["validation/auc"] == pytest.approx(np.mean(of_sets))
    best = max(row["validation/auc"] for row in validated.values())
    assert load_run(workdir).step == next(
        step for step, row in validated.items() if row["validation/auc"] == best
    )


def test_each_set_is_reported_on(mixed_run, tmp_path, capsys):
    config, workdir = mixed_run
    evaluate(load_run(workdir), config, tmp_path)
    report = json.loads((tmp_path / "evaluation" / "metrics-test.json").read_text())
    assert report["paths"] == [config.data.path, *config.data.evaluate_paths]
    of_sets = report["clips"]["datasets"]
    assert set(of_sets) == {"drawn", "silent"}
    assert [of_sets[name]["p_fake"]["clips"] for name in of_sets] == [8, 4]
    assert 0 <= of_sets["silent"]["p_fake"]["auc"] <= 1
    assert of_sets["silent"]["p_audio"]["clips"] == 0
    assert "silent: blocks / -" in report["clips"]["kinds"]
    assert "set silent" in capsys.readouterr().out
