"""The fields of a recipe: which of them its hash covers, and which values are refused."""

import dataclasses

import pytest
from hand_made import DETECTION, SEGMENTATION, STILLS, recipe, started

from dffkit.training.recipe import Recipe, options


def test_the_defaults_that_hashes_leave_out_have_not_changed():
    # A stored result is found by its hash: with another default the same hash would mean another training.
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe) if field.name not in ("name", "job")}
    assert defaults == {
        "heads": (), "start": (), "freeze": (), "data": "toytown", "data_split": "train", "streets": 100,
        "size": (192, 384), "depth": 101, "width": 5 / 32, "norm": "frozen", "flow": "FlowNet", "flow_width": 0.135,
        "scale": True, "scale_bias": "trained", "split": 1, "iterations": 10000, "batch": 8, "optimiser": "sgd",
        "lr": 0.01, "weight_decay": 5e-4, "lr_factors": (), "schedule": "step", "warm_up": 0, "clip": 0.0,
        "precision": "float32", "max_offset": 9, "label_interval": 1, "flip": True, "mirrors": 1,
        "length": 30, "first_label": 0, "shrink": 1, "layout": "msra", "weights": "", "step_at": 2 / 3,
        "small_stem": False, "data_options": (), "neighbours": 2, "weighting": "cosine",
    }  # fmt: skip


OTHERS = {
    "job": "frames", "heads": (DETECTION,), "freeze": ("flow_network",), "data_split": "val", "streets": 7,
    "size": (64, 64), "depth": 26, "width": 0.25, "norm": "trained", "flow": "FlowNet Half", "flow_width": 0.5,
    "scale": False, "scale_bias": "frozen", "split": 0, "iterations": 3, "batch": 3, "optimiser": "adamw", "lr": 0.02,
    "weight_decay": 0.0, "lr_factors": (("flow_network", 0.1),), "schedule": "cosine", "warm_up": 3, "clip": 1.0,
    "precision": "bfloat16", "max_offset": 3, "label_interval": 2, "flip": False, "data": "other",
    "mirrors": 4, "length": 12, "first_label": 9, "shrink": 2, "layout": "torchvision", "weights": "imagenet",
    "step_at": 0.75, "small_stem": True, "data_options": (("scale", 2.0),),
    "neighbours": 5, "weighting": "equal", "start": (("feature_network", STILLS),),
}  # fmt: skip


def test_every_field_but_the_name_is_in_the_hash():
    assert {field.name for field in dataclasses.fields(Recipe)} == {"name", *OTHERS}
    base = recipe()
    hashes = {dataclasses.replace(base, **{name: value}).hash for name, value in OTHERS.items()}
    assert len(hashes | {base.hash}) == len(OTHERS) + 1
    assert dataclasses.replace(base, name="other").hash == base.hash
    assert len(base.hash) == 12


def test_the_hash_covers_the_recipes_that_a_recipe_starts_from():
    base = started(recipe())
    longer = (("feature_network", dataclasses.replace(STILLS, iterations=5)), base.start[1])
    renamed = (("feature_network", dataclasses.replace(STILLS, name="other")), base.start[1])
    assert dataclasses.replace(base, start=longer).hash != base.hash
    assert dataclasses.replace(base, start=renamed).hash == base.hash


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"job": "dance"}, "job"), ({"flow": "RAFT"}, "flow"), ({"optimiser": "lbfgs"}, "optimiser"),
        ({"schedule": "none"}, "schedule"), ({"precision": "float16"}, "precision"), ({"norm": "group"}, "norm"),
        ({"scale_bias": "none"}, "scale_bias"), ({"heads": (("depth", ()),)}, "heads"), ({"heads": ()}, "heads"),
        ({"heads": (SEGMENTATION, DETECTION)}, "heads"), ({"job": "flow"}, "heads"),
        ({"job": "stills", "heads": ()}, "heads"), ({"batch": 0}, "iterations, batch"),
        ({"iterations": -1}, "iterations, batch"), ({"mirrors": 0}, "mirrors"), ({"mirrors": 5}, "mirrors"),
        ({"weighting": "learned"}, "weighting"), ({"job": "aggregate", "neighbours": 0}, "neighbours"),
        ({"length": 9, "first_label": 9}, "first_label"), ({"first_label": -1}, "first_label"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(wrong, named):
    with pytest.raises(ValueError, match=f"^{named}: expected .*, got"):
        dataclasses.replace(recipe(), **wrong)


def test_options_are_in_one_order():
    assert options(b=1, a=2) == options(a=2, b=1)
