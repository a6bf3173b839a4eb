"""Archives of every format, and an empty place for what is in them."""

import pytest
from archives import FORMATS, maker


@pytest.fixture
def place(tmp_path):
    """An empty folder for what is unpacked, in another empty one that nothing may be written to."""
    folder = tmp_path / "around" / "place"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(params=FORMATS)
def make(request, tmp_path):
    """A maker of archives from pairs of a name and a content."""
    return maker(tmp_path, request.param)
