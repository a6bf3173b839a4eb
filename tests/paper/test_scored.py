"""scored.py: what stored rows say of training."""

import pytest

from dffkit.experiments import results, sources
from dffkit.paper import scored
from dffkit.training.recipes import find


def test_the_last_loss_is_that_of_todays_recipe_and_of_the_seed_that_is_asked_for(tmp_path):
    recipes = scored.on_toytown("detection")
    frame, other = find("toytown/detection/frame"), find("toytown/detection/frame-50")
    world = sources.data_version(frame)
    rows = [
        (frame.hash, world, 0, "loss", 0.3), (frame.hash, world, 0, "box", 0.1), (frame.hash, world, 1, "loss", 0.4),
        (frame.hash, "another town", 0, "loss", 0.9), ("a former recipe", world, 0, "loss", 0.8),
        (other.hash, world, 1, "loss", 0.5),
    ]  # fmt: skip
    results.add(
        tmp_path / "training.csv",
        [dict(zip(("hash", "world", "seed", "metric", "value"), row, strict=True)) for row in rows],
    )
    assert scored.training_losses(tmp_path, recipes).to_dict() == pytest.approx({"frame": 0.3})
    assert scored.training_losses(tmp_path, recipes, seed=1).to_dict() == pytest.approx({"frame": 0.4, "frame-50": 0.5})
