"""Every file of a checkpoint in turn gone, cut or flipped: named, and the one before is taken."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cad_jax.run import checkpoint
from cad_jax.run.checkpoint import CheckpointError, Checkpoints, Progress, TrainState
from cad_jax.run.manifest import MANIFEST_FILE, DamageError, check_manifest, write_manifest


def make_state(step):
    params = {"kernel": jnp.arange(12.0).reshape(3, 4) + step, "bias": jnp.ones(3)}
    return TrainState(jnp.asarray(step), params, optax.adam(0.1).init(params), {})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run that saved steps 3 and 5; the second is the better one."""
    workdir = tmp_path_factory.mktemp("saved")
    checkpoints = Checkpoints(workdir)
    for step, auc in ((3, 0.6), (5, 0.7)):
        checkpoints.save(make_state(step), {"seed": step}, Progress(auc), auc)
    checkpoints.close()
    return workdir


@pytest.fixture
def workdir(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def delete(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replace_by_folder(path):  # nobody can read it, not even root
    path.unlink()
    path.mkdir()


def files_of(folder):
    # Orbax writes its own note last, when the folder is whole and hashed; nothing reads it.
    return [p for p in folder.rglob("*") if p.is_file() and p != folder / "commit_success.txt"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (delete, "is missing"),
        (cut, "is damaged"),
        (flip, "is damaged"),
        (replace_by_folder, "cannot be read"),
    ],
)
def test_every_file_of_the_newest_in_turn(workdir, caplog, damage, message):
    newest = workdir / "checkpoints" / "5"
    files = files_of(newest)
    assert len(files) > 15
    assert newest / MANIFEST_FILE in files
    for path in files:
        content = path.read_bytes()
        damage(path)
        for wanted in (Checkpoints.latest_step, Checkpoints.best_step):
            caplog.clear()
            assert wanted(Checkpoints(workdir, read_only=True)) == 3, path
            (record,) = caplog.records
            assert str(path) in record.message
            assert message in record.message
            assert "taking step 3" in record.message
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(content)
    assert Checkpoints(workdir, read_only=True).latest_step() == 5


def test_every_bit_of_the_manifest_counts(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    write_manifest(tmp_path, 0.5)
    manifest = tmp_path / MANIFEST_FILE
    whole = manifest.read_bytes()
    check_manifest(tmp_path)
    for place in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            manifest.write_bytes(data)
            with pytest.raises(DamageError):
                check_manifest(tmp_path)


@pytest.mark.parametrize("garbage", ["", "{}", "[]", "null", '{"auc": 1, "files": []}'])
def test_a_manifest_that_is_none(tmp_path, garbage):
    (tmp_path / MANIFEST_FILE).write_text(garbage)
    with pytest.raises(DamageError, match="is damaged"):
        check_manifest(tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"item_handlers": 5}', '{"item_handlers": {}}'])
def test_metadata_of_the_step_that_are_json_but_others(workdir, text):
    (workdir / "checkpoints" / "5" / "_CHECKPOINT_METADATA").write_text(text)
    assert Checkpoints(workdir, read_only=True).latest_step() == 3


def test_the_note_that_orbax_writes_last_is_not_needed(workdir):
    (workdir / "checkpoints" / "5" / "commit_success.txt").unlink()
    checkpoints = Checkpoints(workdir, read_only=True)
    assert checkpoints.latest_step() == 5
    assert checkpoints.read_config(5) == {"seed": 5}


def test_a_step_on_its_way_out_is_no_damaged_one(workdir, monkeypatch):
    """However little of it a kill has left."""
    folder = workdir / "checkpoints"

    def killed_half_way(path, **_):
        for file in files_of(path)[::2]:
            file.unlink()

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.shutil, "rmtree", killed_half_way)
        checkpoints = Checkpoints(workdir, keep_newest=1)
        checkpoints.save(make_state(6), {"seed": 6}, Progress(), 0.9)
        checkpoints.close()
    assert files_of(folder / "removed")
    checkpoints = Checkpoints(workdir, keep_newest=1)
    checkpoints.save(make_state(7), {"seed": 7}, Progress(), 0.1)
    checkpoints.close()
    assert sorted(path.name for path in folder.iterdir()) == ["6", "7"]


def test_training_sets_the_damaged_one_aside_and_saves_its_step_again(workdir, caplog):
    folder = workdir / "checkpoints"
    for path in (folder / "5" / "progress" / "metadata", folder / "5" / "metrics" / "metrics"):
        path.write_bytes(b"\xff")
    before = {path.relative_to(folder / "5"): path.read_bytes() for path in files_of(folder / "5")}
    checkpoints = Checkpoints(workdir)
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), make_state(3))
    state = checkpoints.restore(checkpoints.latest_step(), target)
    np.testing.assert_array_equal(state.params["kernel"], make_state(3).params["kernel"])
    checkpoints.save(make_state(5), {"seed": 5}, Progress(), 0.8)
    checkpoints.close()
    aside = folder / "damaged-5-1"
    assert {path.relative_to(aside): path.read_bytes() for path in files_of(aside)} == before
    assert str(aside) in caplog.text
    assert Checkpoints(workdir, read_only=True).best_step() == 5


def test_none_that_is_whole_is_one_line(workdir):
    for step in ("3", "5"):
        flip(workdir / "checkpoints" / step / "params" / "_METADATA")
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match=r"is whole: .*/5/params/_METADATA is damaged"):
            Checkpoints(workdir, read_only=read_only).latest_step()
    assert {path.name for path in (workdir / "checkpoints").iterdir()} == {"3", "5"}


def test_a_damaged_step_that_is_wanted_is_refused(workdir):
    flip(workdir / "checkpoints" / "3" / "config" / "metadata")
    with pytest.raises(CheckpointError, match="3/config/metadata is damaged"):
        Checkpoints(workdir, read_only=True).check_step(3)


def test_an_auc_that_was_changed_does_not_choose(workdir):
    manifest = workdir / "checkpoints" / "5" / MANIFEST_FILE
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"auc": 0.1}))
    assert Checkpoints(workdir, read_only=True).best_step() == 3
