"""Archives of every format, and an empty place for what is in them."""

import pytest
from archives import FORMATS, empty_place, maker


@pytest.fixture
def place(tmp_path):
    return empty_place(tmp_path)


@pytest.fixture(params=FORMATS)
def make(request, tmp_path):
    """A maker of archives from pairs of a name and a content."""
    return maker(tmp_path, request.param)
