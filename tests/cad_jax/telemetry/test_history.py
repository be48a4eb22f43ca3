import numpy as np
import pytest

from cad_jax.telemetry.history import read_history
from cad_jax.telemetry.writers import create_writer
from data_pipelines.errors import UserError


def test_what_was_written_is_read(tmp_path):
    writer = create_writer(tmp_path, 0, is_lead=True)
    writer.write_scalars(1, {"loss": 2.0, "auc": float("nan")})
    writer.write_texts(1, {"note": "x"})
    writer.write_scalars(3, {"loss": 0.5, "auc": 0.75})
    writer.close()
    found = read_history(tmp_path)
    assert sorted(found) == ["auc", "loss"]
    np.testing.assert_array_equal(found["loss"], [[1, 2.0], [3, 0.5]])
    np.testing.assert_array_equal(found["auc"], [[3, 0.75]])


def test_what_is_no_log_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*metrics\.jsonl: No such file"):
        read_history(tmp_path)
    for line in ('{"loss": 1}', "[]", "{"):
        (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{line}\n')
        with pytest.raises(UserError, match=r"metrics\.jsonl:2 is no line of a log"):
            read_history(tmp_path)
