"""by_width.py: which boxes are found, sorted by their width."""

import pytest
import torch

from dffkit.lessons import by_width
from dffkit.lessons.by_width import WIDTHS, found_by_width, street


@pytest.fixture
def asked(monkeypatch):
    """A model that finds each second true box; what it was asked for."""
    calls = []

    def recognise(model, frame, key_frame, *, same):
        calls.append((model, frame, key_frame, same))
        return {"of": frame}

    monkeypatch.setattr(by_width, "recognise", recognise)
    monkeypatch.setattr(by_width, "is_found", lambda result, target: torch.arange(len(target["boxes"])) % 2 == 0)
    return calls


def test_boxes_are_sorted_by_width_and_counted(asked):
    widths = torch.cat([street(0).boxes(index)["boxes"] for index in (19, 24)])
    widths = (widths[:, 2] - widths[:, 0]) / 16
    table = found_by_width({"DFF": "model"}, streets=1, frames=(19, 24))
    counts = [int(((widths > low) & (widths <= high)).sum()) for low, high in WIDTHS.values()]
    assert table.boxes.tolist() == counts
    assert sum(counts) == len(widths)
    hits = torch.cat([torch.arange(len(street(0).boxes(index)["boxes"])) % 2 == 0 for index in (19, 24)])
    shares = [100 * float(hits[(widths > low) & (widths <= high)].float().mean()) for low, high in WIDTHS.values()]
    assert table.DFF.tolist() == pytest.approx(shares, nan_ok=True)
    assert max(counts[1:]) > 1


def test_frame_has_its_own_features_and_the_others_those_of_before(asked):
    found_by_width({"Frame": "one", "DFF": "another"}, gap=9, streets=1, frames=(19,))
    (own_model, frame, own_key, own_same), (model, same_frame, key, same) = asked
    film = street(0)
    assert (own_model, own_same, model, same) == ("one", True, "another", False)
    for shown in (frame, own_key, same_frame):
        assert torch.equal(shown, film.frame(19))
    assert torch.equal(key, film.frame(10))
