"""real.py: the recipes on real video are whole, and start from ImageNet's weights or from what they name."""

import dataclasses

import pytest
import torch
from torchvision import models

from dffkit.experiments import sources
from dffkit.training.assembly import build, load_part, published
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import REAL, RECIPES, find, on_own_data, with_imagenet


def test_the_recipes_on_real_video_are_whole():
    assert not REAL.keys() & RECIPES.keys()
    for name, recipe in REAL.items():
        assert find(name) == recipe
        assert recipe.data in sources.SOURCES
        assert Recipe(**dataclasses.asdict(recipe)).hash == recipe.hash
        for _, needed in recipe.start:
            assert find(needed.name) == needed
    for data in ("camvid", "pets09"):
        longer, dff = (dataclasses.asdict(REAL[f"{data}/{name}"]) for name in ("frame-longer", "dff"))
        differing = {field for field in longer if longer[field] != dff[field]}
        assert differing == {"name", "job", "start", "flow", "flow_width", "lr_factors"}
        assert longer["start"] == dff["start"][:2]


@pytest.mark.parametrize("name", ["camvid/frame", "pets09/dff"])
def test_the_recipes_on_real_video_can_start_from_imagenet(name, monkeypatch):
    donor = models.resnet101(weights=None).state_dict()
    monkeypatch.setattr(models.ResNet101_Weights, "get_state_dict", lambda self, **options: dict(donor))
    recipe = with_imagenet(find(name))
    frame = recipe if name.endswith("frame") else dict(recipe.start)["feature_network"]
    assert (frame.weights, frame.start) == ("imagenet", ())
    model = build(recipe)
    start = published(frame)
    load_part(model, "feature_network", start)
    assert torch.equal(model.feature_network.state_dict()["conv1.weight"], donor["conv1.weight"])


def test_what_begins_with_frames_n_begins_with_frame_on_the_same_imagenet_weights_and_data():
    recipe = with_imagenet(find("camvid/dff"))
    starts = dict(recipe.start)
    assert recipe.weights == "", "it begins with a network that was trained"
    assert starts["feature_network"] == starts["task_network"] == with_imagenet(find("camvid/frame"))
    assert starts["flow_network"] == find("toytown/flow")
    own = on_own_data(find("camvid/dff"), "my_clips:dataset", 3)
    (frame,) = {other for part, other in own.start if part != "flow_network"}
    for each in (own, frame):
        assert each.data == "my_clips:dataset"
        assert dict(each.heads[0][1])["num_classes"] == 3
    assert (own.name, frame.name) == ("my_clips.dataset/dff", "my_clips.dataset/frame")
    assert on_own_data(find("camvid/dff"), None, None) == find("camvid/dff")
