"""Checkpoints are whole or absent; two are kept; damage is reported; other runs are refused; no code is executed."""

import os
import pickle
import zipfile

import pytest
import torch

from dffkit.support.errors import DataError
from dffkit.training import checkpoint
from dffkit.training.recipe import Measurement

IDENTITY = Measurement("abc", 0, "d1", "train")._asdict()


def state(value):
    """Return a state with a big tensor."""
    return {"identity": IDENTITY, "module": {"w": torch.full((1000,), float(value))}, "rows": [{"loss": 0.5}]}


@pytest.fixture
def folder(tmp_path):
    """Return a run's folder after three checkpoints."""
    for iteration in (5, 10, 15):
        checkpoint.save(tmp_path, state(iteration), iteration)
    return tmp_path


def files(folder):
    """Return the names of a folder's files."""
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_two_are_kept_and_the_newest_is_loaded(folder):
    assert files(folder) == ["checkpoint-00000010.pt", "checkpoint-00000015.pt"]
    loaded = checkpoint.load(folder, IDENTITY)
    assert loaded["iteration"] == 15
    assert torch.equal(loaded["module"]["w"], torch.full((1000,), 15.0))
    assert loaded["rows"] == [{"loss": 0.5}]


def test_an_empty_folder_has_none(tmp_path):
    assert checkpoint.load(tmp_path, IDENTITY) is None
    assert checkpoint.load(tmp_path / "missing", IDENTITY) is None


def test_half_written_files_are_ignored(folder):
    (folder / "checkpoint-00000020.pt.part").write_bytes(b"half")
    assert checkpoint.load(folder, IDENTITY)["iteration"] == 15


def flip_bit(path):
    content = bytearray(path.read_bytes())
    place = bytes(content).index(torch.full((1000,), 15.0).numpy().tobytes())  # within the weights
    content[place + 6] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "text": lambda path: path.write_text("not a checkpoint"),
    "a flipped bit": flip_bit,
    "zeros at the end": lambda path: path.write_bytes(path.read_bytes()[:-200] + bytes(200)),
    "of another format": lambda path: torch.save({"format": 0}, path),
    "no dict": lambda path: torch.save([1], path),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_passed_over_and_named(folder, damage, capsys):
    newest = folder / "checkpoint-00000015.pt"
    DAMAGES[damage](newest)
    assert checkpoint.load(folder, IDENTITY)["iteration"] == 10
    (message,) = capsys.readouterr().err.splitlines()
    assert str(newest) in message
    assert "delete it" in message
    assert "checkpoint before" in message


def test_a_run_does_not_begin_again_if_all_checkpoints_are_damaged(folder):
    for path in folder.iterdir():
        DAMAGES["truncated"](path)
    with pytest.raises(DataError, match="no checkpoint can be read; delete them"):
        checkpoint.load(folder, IDENTITY)


OTHERS = {
    "recipe_hash": ("xyz", "'xyz', got 'abc'"),
    "seed": (1, "1, got 0"),
    "data_version": ("d2", "'d2', got 'd1'"),
    "split": ("stills", "'stills', got 'train'"),
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(folder, field):
    value, words = OTHERS[field]
    with pytest.raises(DataError, match=f"another run: expected {field} {words}; delete"):
        checkpoint.load(folder, {**IDENTITY, field: value})


def test_a_checkpoint_of_the_former_version_is_read_by_its_own_names(tmp_path):
    former = {"identity": {"recipe": "abc", "seed": 0, "world": "d1"}, "module": {}}
    checkpoint.save(tmp_path, former, 5)
    assert checkpoint.load(tmp_path, IDENTITY)["iteration"] == 5
    for field in ("recipe_hash", "seed", "data_version"):
        value, words = OTHERS[field]
        with pytest.raises(DataError, match=f"another run: expected {field} {words}; delete"):
            checkpoint.load(tmp_path, {**IDENTITY, field: value})


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("archive", [True, False])
def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch, archive):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint-00000001.pt"
    if archive:
        torch.save({"format": checkpoint.FORMAT, "module": Evil()}, path)
        assert zipfile.is_zipfile(path)
    else:
        path.write_bytes(pickle.dumps({"format": checkpoint.FORMAT, "module": Evil()}))
    with pytest.raises(DataError, match="no checkpoint, or a damaged one"):
        checkpoint.read(path)
    assert not (tmp_path / "executed").exists()


def test_a_failed_write_leaves_the_old_file(folder):
    class Unwritable:
        def __reduce__(self):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        checkpoint.write(folder / "checkpoint-00000015.pt", {"module": Unwritable()})
    assert checkpoint.load(folder, IDENTITY)["iteration"] == 15


def test_memory_layout_survives(tmp_path):
    weight = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    checkpoint.write(tmp_path / "a.pt", {"w": weight})
    assert checkpoint.read(tmp_path / "a.pt")["w"].stride() == weight.stride()
