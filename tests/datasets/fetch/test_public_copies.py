"""public_copies.py: every entry is complete."""

import pytest

from dffkit.datasets.fetch import public_copies
from dffkit.datasets.fetch.public_copies import ZIP


@pytest.mark.parametrize("name", public_copies.PUBLIC_COPIES)
def test_every_entry_is_complete(name):
    data_set = public_copies.PUBLIC_COPIES[name]
    assert "Please cite" in data_set.terms
    for file in data_set.files:
        assert file.address.startswith("https://")
        assert file.size > 0
        assert all(file.begins)
        assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
        if file.inside is not None:
            assert file.begins == ZIP
            assert not file.inside.endswith("/")
            assert file.max_files > 0
            assert file.max_size > file.size


def test_no_two_files_have_the_same_name():
    files = [file.name for data_set in public_copies.PUBLIC_COPIES.values() for file in data_set.files]
    assert len({*files}) == len(files)
