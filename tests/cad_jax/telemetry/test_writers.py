"""Writers: what is written can be read back, also after a kill, and TensorFlow stays out."""

import json
import subprocess
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cad_jax.telemetry.writers import JsonLinesWriter, create_writer


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_clu_needs_no_tensorflow():
    """Fails when clu changes where it imports TensorFlow."""
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from cad_jax.telemetry.clu_import import metric_writers\n"
        "assert metric_writers.SummaryWriter.__name__ == 'EventFileSummaryWriter'\n"
        "assert issubclass(metric_writers.SummaryWriter, metric_writers.MetricWriter)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scalars_reach_json_and_tensorboard(tmp_path):
    writer = create_writer(tmp_path, 0, is_lead=True)
    writer.write_scalars(3, {"loss": np.float32(0.5), "auc": float("nan")})
    writer.write_texts(3, {"config": "seed = 0"})
    writer.flush()
    writer.close()
    assert rows(tmp_path / "metrics.jsonl")[0] == {"step": 3, "loss": 0.5, "auc": None}
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (event,) = events.Tensors("loss")
    assert event.step == 3
    assert np.isclose(event.tensor_proto.float_val[0], 0.5)
    assert events.Tags()["tensors"] == ["loss", "auc", "config"]


def test_other_hosts_write_nothing(tmp_path):
    create_writer(tmp_path, 0, is_lead=False).write_scalars(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_resume_drops_what_came_after_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1}\n{"step": 2, "loss": 2}\n{"step": 3, "lo')
    writer = JsonLinesWriter(path, resume_step=1)
    writer.write_scalars(2, {"loss": 5.0})
    writer.close()
    assert rows(path) == [{"step": 1, "loss": 1}, {"step": 2, "loss": 5.0}]
