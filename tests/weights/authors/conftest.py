"""A checkpoint like the authors', with random numbers."""

import pytest
from authors_network import random_checkpoint


@pytest.fixture
def checkpoint():
    return random_checkpoint()
