"""Recipes: what their hash covers, JSON, what they build; and that small networks keep Table 2's r."""

import dataclasses
import json

import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, STILLS, recipe, started

from dffkit.baselines.without_flow import NoFlow
from dffkit.complexity import count_flops
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import claims
from dffkit.training.assembly import build, load_part
from dffkit.training.recipe import FEATURE_WIDTH, FLOW_WIDTHS, SIZE, Recipe, options
from dffkit.training.recipes import RECIPES, find

TABLE_2 = claims.printed("inverse_ratio")


def inverse_ratio(depth, flow, width):
    """Return 1/r of a small pair by Eq. 6, split 1; `width` is the flow network's."""
    frame = torch.zeros(1, 3, *SIZE, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        features = FeatureNetwork(depth, width=FEATURE_WIDTH)
        network = FLOW_NETWORKS[flow](width=width, scale_channels=features.channels)
        prepared = network.prepare(frame)
    return count_flops(features, frame) / count_flops(network, prepared, prepared)


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize(("flow", "width"), FLOW_WIDTHS.items())
def test_small_networks_keep_table_2s_cost_ratio(depth, flow, width):
    assert inverse_ratio(depth, flow, width) == pytest.approx(TABLE_2[f"ResNet-{depth}", flow], rel=0.10)


@pytest.mark.parametrize("flow", FLOW_WIDTHS)
def test_with_the_feature_networks_width_they_would_not(flow):
    assert inverse_ratio(101, flow, FEATURE_WIDTH) != pytest.approx(TABLE_2["ResNet-101", flow], rel=0.10)


def test_the_kits_recipes_use_these_widths():
    for each in RECIPES.values():
        assert each.width == FEATURE_WIDTH
        assert each.flow_width == FLOW_WIDTHS.get(each.flow, 0)


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
        "data_options": (),
    }  # fmt: skip


OTHERS = {
    "job": "frames", "heads": (DETECTION,), "freeze": ("flow_network",), "data_split": "val", "streets": 7,
    "size": (64, 64), "depth": 26, "width": 0.25, "norm": "trained", "flow": "FlowNet Half", "flow_width": 0.5,
    "scale": False, "scale_bias": "frozen", "split": 0, "iterations": 3, "batch": 3, "optimiser": "adamw", "lr": 0.02,
    "weight_decay": 0.0, "lr_factors": (("flow_network", 0.1),), "schedule": "cosine", "warm_up": 3, "clip": 1.0,
    "precision": "bfloat16", "max_offset": 3, "label_interval": 2, "flip": False, "data": "other",
    "mirrors": 4, "length": 12, "first_label": 9, "shrink": 2, "layout": "torchvision", "weights": "imagenet",
    "step_at": 0.75, "data_options": (("scale", 2.0),),
    "start": (("feature_network", STILLS),),
}  # fmt: skip


def test_every_field_but_the_name_is_in_the_hash():
    assert {field.name for field in dataclasses.fields(Recipe)} == {"name", *OTHERS}
    base = recipe()
    hashes = {dataclasses.replace(base, **{name: value}).hash for name, value in OTHERS.items()}
    assert len(hashes | {base.hash}) == len(OTHERS) + 1
    assert dataclasses.replace(base, name="other").hash == base.hash
    assert len(base.hash) == 12


def test_the_hash_covers_what_a_recipe_starts_from():
    base = started(recipe())
    longer = (("feature_network", dataclasses.replace(STILLS, iterations=5)), base.start[1])
    renamed = (("feature_network", dataclasses.replace(STILLS, name="other")), base.start[1])
    assert dataclasses.replace(base, start=longer).hash != base.hash
    assert dataclasses.replace(base, start=renamed).hash == base.hash


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name):
    data = json.loads(json.dumps(dataclasses.asdict(RECIPES[name])))
    assert Recipe(**data) == RECIPES[name]
    assert Recipe(**data).hash == RECIPES[name].hash


@pytest.mark.parametrize("name", RECIPES)
def test_the_kits_recipes_are_known_by_their_name_and_say_what_they_are(name):
    assert find(name).name == name
    assert RECIPES[name].hash in RECIPES[name].describe()
    for _, needed in RECIPES[name].start:
        assert find(needed.name) == needed


def test_the_kits_recipes_differ():
    assert len({each.hash for each in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_frame_and_dff_differ_in_the_objective_only(task):
    frame, dff = RECIPES[f"toytown/{task}/frame"], RECIPES[f"toytown/{task}/dff"]
    assert differing(frame, dff) - {"lr_factors"} == {"job", "start", "flow", "flow_width"}
    assert {part for part, _ in dff.lr_factors} <= {"flow_network"}  # which Frame has not
    assert dict(frame.start).items() <= dict(dff.start).items()


# Table 3's columns, and what else is varied: only this may be different from DFF.
VARIED = {
    "fix-n": {"start", "freeze"}, "fix-f": {"freeze", "scale", "lr_factors"},
    "separate": {"start", "scale", "iterations"}, "without-s": {"scale"},
    "sff-dis": {"start", "flow", "flow_width", "scale", "iterations"},
    "sff-slow": {"start", "flow", "flow_width", "scale", "iterations"},
    "exact-flow": {"start", "flow", "flow_width", "scale", "iterations"},
    "exact-flow-trained": {"start", "flow", "flow_width", "scale", "lr_factors"},
    "dff-50-half": {"start", "depth", "flow", "flow_width"}, "split-12": {"split"},
    "dff-1-in-10": {"iterations", "streets", "length", "label_interval"},
}  # fmt: skip


@pytest.mark.parametrize(("interval", "labelled"), [(1, 30), (5, 6), (10, 3), (30, 1)])
def test_one_frame_in_so_many_is_labelled(interval, labelled):
    recipe = RECIPES[f"toytown/segmentation/dff-1-in-{interval}"]
    assert recipe.label_interval == interval
    frames = range(recipe.first_label, recipe.length)[::interval]
    assert len(frames) == labelled
    assert frames[0] >= recipe.max_offset  # it has all its key frames


@pytest.mark.parametrize("task", ["segmentation", "detection"])
@pytest.mark.parametrize("row", VARIED)
def test_rows_differ_from_dff_in_what_they_are_about_only(task, row):
    found = differing(RECIPES[f"toytown/{task}/{row}"], RECIPES[f"toytown/{task}/dff"])
    assert found | {"lr_factors"} == VARIED[row] | {"lr_factors"}


@pytest.mark.parametrize("task", ["segmentation", "detection"])
@pytest.mark.parametrize("row", ["fix-n", "separate", "sff-fast", "exact-flow"])
def test_rows_with_frames_n_start_from_frame(task, row):
    start = dict(RECIPES[f"toytown/{task}/{row}"].start)
    assert start["feature_network"] == start["task_network"] == RECIPES[f"toytown/{task}/frame"]


def test_smaller_frames_keep_the_anchors_in_pixels():
    whole, half = (dict(RECIPES[f"toytown/detection/{name}"].heads[0][1]) for name in ("frame", "frame-half-size"))
    assert [scale * 32 for scale in half["anchor_scales"]] == [scale * 16 for scale in whole["anchor_scales"]]


def differing(one, other):
    """The fields in which two recipes differ, but for the name."""
    fields = (field.name for field in dataclasses.fields(Recipe) if field.name != "name")
    return {name for name in fields if getattr(one, name) != getattr(other, name)}


@pytest.mark.parametrize("name", RECIPES)
def test_the_kits_recipes_build_and_start_from_each_other(name):
    model = build(RECIPES[name])
    for part, needed in RECIPES[name].start:
        load_part(model, part, build(needed).state_dict())
    assert model.training


def test_unknown_names_suggest_close_ones():
    with pytest.raises(ValueError, match="no 'toytown/segmentation/def'; did you mean toytown/segmentation/dff or"):
        find("toytown/segmentation/def")
    with pytest.raises(ValueError, match="no 'xyzzy'; did you mean toytown/flow or"):
        find("xyzzy")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"job": "dance"}, "job"), ({"flow": "RAFT"}, "flow"), ({"optimiser": "lbfgs"}, "optimiser"),
        ({"schedule": "none"}, "schedule"), ({"precision": "float16"}, "precision"), ({"norm": "group"}, "norm"),
        ({"scale_bias": "none"}, "scale_bias"), ({"heads": (("depth", ()),)}, "heads"), ({"heads": ()}, "heads"),
        ({"heads": (SEGMENTATION, DETECTION)}, "heads"), ({"job": "flow"}, "heads"),
        ({"job": "stills", "heads": ()}, "heads"), ({"batch": 0}, "iterations, batch"),
        ({"iterations": -1}, "iterations, batch"), ({"mirrors": 0}, "mirrors"), ({"mirrors": 5}, "mirrors"),
        ({"length": 9, "first_label": 9}, "first_label"), ({"first_label": -1}, "first_label"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(wrong, named):
    with pytest.raises(ValueError, match=f"^{named}: expected .*, got"):
        dataclasses.replace(recipe(), **wrong)


def test_each_job_builds_its_network():
    pairs, detection = build(recipe()), build(recipe(task=DETECTION, scale=False))
    assert isinstance(pairs, DeepFeatureFlow)
    assert isinstance(pairs.task_network, ScoreMaps)
    assert pairs.flow_network.scale_channels == pairs.feature_network.channels == 64
    assert isinstance(detection.task_network, RFCN)
    assert detection.task_network.bins == 2
    assert detection.flow_network.scale is None
    stills = build(STILLS)
    assert list(stills.heads) == ["segmentation", "detection"]
    assert stills.feature_network.norm == "trained"
    flow = build(FLOW)
    assert list(flow) == ["flow_network"]
    assert flow["flow_network"].scale is None


@pytest.mark.parametrize("split", [0, 1, 2])
def test_the_scale_field_fits_the_split(split):
    model = build(recipe(split=split))
    frames = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8)
    assert model(frames, frames).shape == (1, 3, 2, 4)


def test_a_split_inside_a_block_is_named():
    with pytest.raises(ValueError, match="split: expected a number of layers that ends at a block"):
        build(recipe(split=3))


def test_the_scale_bias_can_be_frozen():
    assert not build(recipe(scale_bias="frozen")).flow_network.scale.bias.requires_grad
    assert build(recipe()).flow_network.scale.bias.requires_grad


def same(a, b):
    """Whether two modules have the same weights."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_random_weights_are_of_the_seed_and_the_part_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    pairs = build(recipe(), 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    frames = build(recipe("frames", flow="none", flow_width=0), 3)
    assert same(pairs.task_network, frames.task_network)
    assert same(pairs.feature_network, frames.feature_network)
    assert not same(pairs.task_network, build(recipe(), 4).task_network)


def test_without_flow_features_are_copied():
    model = build(recipe(flow="none", flow_width=0)).eval()
    assert isinstance(model.flow_network, NoFlow)
    torch.manual_seed(0)
    current, key = torch.randint(0, 256, (2, 2, 3, 40, 70), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model(current, key), model(key))
        maps, kept = model.on_key_frame(key[:1])
        # One frame and two may go through the last layer in other orders of summation.
        torch.testing.assert_close(model.on_current_frame(current, kept), maps.expand(2, -1, -1, -1))


def test_a_part_is_filled_from_a_whole():
    model, stills, flow = build(recipe()), build(STILLS, 8), build(FLOW, 9)
    load_part(model, "feature_network", stills.state_dict())
    load_part(model, "flow_network", flow.state_dict())
    assert same(model.feature_network, stills.feature_network)
    assert torch.equal(model.flow_network.flow.weight, flow["flow_network"].flow.weight)
    assert not model.flow_network.scale.weight.any()  # S is still as all ones
    assert (model.flow_network.scale.bias == 1).all()


def test_a_trained_scale_field_comes_along_where_there_is_one():
    trained = build(recipe(), 1)
    torch.nn.init.normal_(trained.flow_network.scale.weight)
    model, plain = build(recipe(), 2), build(recipe(scale=False), 2)
    load_part(model, "flow_network", trained.state_dict())
    load_part(plain, "flow_network", trained.state_dict())
    assert same(model.flow_network, trained.flow_network)
    assert torch.equal(plain.flow_network.flow.weight, trained.flow_network.flow.weight)


@pytest.mark.parametrize("other", [{"depth": 26}, {"width": 1 / 8}, {"split": 1, "flow": "none", "flow_width": 0}])
def test_weights_of_another_network_are_refused(other):
    part = "flow_network" if "flow" in other else "feature_network"
    with pytest.raises(ValueError, match=f"start: expected the weights of this {part}, got others"):
        load_part(build(recipe()), part, build(recipe(**other)).state_dict())


def test_pretraining_serves_all_seeds():
    frame = dataclasses.replace(recipe("frames"), name="frame")
    mixed = dataclasses.replace(recipe(), start=(("task_network", frame), ("flow_network", FLOW)))
    assert mixed.start_seed("task_network", 3) == 3
    assert mixed.start_seed("flow_network", 3) == 0


def test_options_are_in_one_order():
    assert options(b=1, a=2) == options(a=2, b=1)
