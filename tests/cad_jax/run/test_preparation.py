"""How a run's clips came from files: what it kept, else what is said of sets that were made."""

import dataclasses
import json

import pytest

from cad_jax.data import made_preparation
from cad_jax.run.preparation import run_preparation
from cad_jax.settings.experiment import DataConfig
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.metadata import PREPARATION_FILE, write_metadata
from data_pipelines.synthetic.presets import find_preset


def test_of_a_set_that_was_made_files_become_what_its_records_are(tmp_path):
    made = made_preparation(DataConfig(builder="synthetic_small"))
    preset = find_preset("synthetic_small")
    assert (made.size, made.margin, made.jpeg_quality) == (128, preset.margin, preset.jpeg_quality)
    assert run_preparation(tmp_path, made) == made
    write_metadata(tmp_path, "synthetic_small", {})  # made before, under data=folder
    assert made_preparation(DataConfig(path=str(tmp_path))) == made
    for builder in ("", "drawn"):
        assert made_preparation(DataConfig(builder=builder)) == PrepareSettings()


def test_what_the_run_kept_goes_before_it_and_is_refused_where_damaged(tmp_path):
    kept = PrepareSettings(size=112, reencode=23)
    path = tmp_path / PREPARATION_FILE
    path.write_text(json.dumps({"settings": dataclasses.asdict(kept)}))
    assert run_preparation(tmp_path, PrepareSettings()) == kept
    path.write_text("{}")
    with pytest.raises(UserError, match="does not say how clips are prepared"):
        run_preparation(tmp_path, PrepareSettings())
