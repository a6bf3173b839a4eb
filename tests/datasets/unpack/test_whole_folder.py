"""Whole folders: seen when they are whole, and as before after trouble."""

import pytest
from archives import contents

from dffkit.datasets.fetch.unpack import whole_folder
from dffkit.support.errors import DataError


def test_a_folder_is_seen_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "target"
    with whole_folder(target) as staged:
        (staged / "file").write_text("new")
        assert not target.exists()
    assert contents(tmp_path) == {"new/target/file": b"new"}


@pytest.mark.parametrize("trouble", [DataError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False])
def test_after_trouble_nothing_has_changed(tmp_path, trouble, old):
    target = tmp_path / "target"
    if old:
        target.mkdir()
        (target / "file").write_text("old")
    before = contents(tmp_path)

    def run_into_trouble():
        with whole_folder(target) as staged:
            (staged / "file").write_text("new")
            raise trouble

    with pytest.raises(trouble):
        run_into_trouble()
    assert contents(tmp_path) == before
    assert target.exists() == old
    assert {*tmp_path.iterdir()} == ({target} if old else set())


def test_a_new_folder_replaces_the_old_one_and_what_kills_have_left(tmp_path):
    target = tmp_path / "target"
    for name in ("target", "target.part", "target.old"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "old").write_text("old")
    with whole_folder(target) as staged:
        assert contents(staged) == {}
        (staged / "file").write_text("new")
        assert contents(target) == {"sub/old": b"old"}
    assert contents(tmp_path) == {"target/file": b"new"}
    assert [*tmp_path.iterdir()] == [target]


def test_what_a_link_leads_to_is_not_touched(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("kept")
    (tmp_path / "target").symlink_to(tmp_path / "elsewhere")
    with whole_folder(tmp_path / "target") as staged:
        (staged / "file").write_text("new")
    assert contents(tmp_path) == {"elsewhere/file": b"kept", "target/file": b"new"}
    assert not (tmp_path / "target").is_symlink()
