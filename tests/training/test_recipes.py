"""The recipes of the kit build, start from each other, and differ only as their rows say; small pairs keep r."""

import dataclasses
import json

import pytest
import torch
from torchvision import models

from dffkit.complexity import count_flops
from dffkit.experiments import sources
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.paper import ledger
from dffkit.training.aggregation_recipes import AGGREGATION
from dffkit.training.assembly import build, load_part, published, trainable
from dffkit.training.handheld_recipes import HANDHELD
from dffkit.training.recipe import FEATURE_WIDTH, FLOW_WIDTHS, SIZE, Recipe
from dffkit.training.recipes import REAL, RECIPES, find, on_own_data, with_imagenet
from dffkit.training.toytown_recipes import WIDER_INCEPTION

TABLE_2 = ledger.printed("inverse_ratio")


def inverse_ratio(depth, flow, width, **options):
    """Return 1/r of a small pair by Eq. 6, split 1; `width` and `options` are the flow network's."""
    frame = torch.zeros(1, 3, *SIZE, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        features = FeatureNetwork(depth, width=FEATURE_WIDTH)
        network = FLOW_NETWORKS[flow](width=width, scale_channels=features.channels, **options)
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
        expected = WIDER_INCEPTION if each.small_stem else FLOW_WIDTHS.get(each.flow, 0)
        assert each.flow_width == expected


def test_only_the_drives_detection_has_the_narrow_inception():
    pairs = [each for each in (RECIPES | HANDHELD).values() if each.flow == "FlowNet Inception" and each.job == "pairs"]
    narrow = {each.name for each in pairs if not each.small_stem}
    assert narrow == {"toytown/detection/dff-inception", "toytown/detection/dff-50-inception"}
    assert len(pairs) == 6


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_json(name):
    data = json.loads(json.dumps(dataclasses.asdict(RECIPES[name])))
    assert Recipe(**data) == RECIPES[name]
    assert Recipe(**data).hash == RECIPES[name].hash


@pytest.mark.parametrize("name", RECIPES)
def test_the_kits_recipes_are_found_by_name_and_described(name):
    assert find(name).name == name
    assert RECIPES[name].hash in RECIPES[name].describe()
    for _, needed in RECIPES[name].start:
        assert find(needed.name) == needed


def test_a_recipe_is_described_by_its_flow_network_or_by_its_other_flow():
    described = {name: RECIPES[f"toytown/segmentation/{name}"].describe() for name in ("dff", "sff-dis", "frame")}
    assert ", FlowNet x 0.135, " in described["dff"]
    assert ", flow: DIS, " in described["sff-dis"]
    assert ", flow: none, " in described["frame"]


def test_the_kits_recipes_differ():
    assert len({each.hash for each in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_frame_and_dff_differ_in_the_objective_only(task):
    frame, dff = RECIPES[f"toytown/{task}/frame"], RECIPES[f"toytown/{task}/dff"]
    assert differing(frame, dff) - {"lr_factors"} == {"job", "start", "flow", "flow_width"}
    assert {part for part, _ in dff.lr_factors} <= {"flow_network"}  # which Frame has not
    assert dict(frame.start).items() <= dict(dff.start).items()


# The fields in which a row may differ from DFF: Table 3's columns, and the other variations.
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
def test_one_frame_in_an_interval_is_labelled(interval, labelled):
    recipe = RECIPES[f"toytown/segmentation/dff-1-in-{interval}"]
    assert recipe.label_interval == interval
    frames = range(recipe.first_label, recipe.length)[::interval]
    assert len(frames) == labelled
    assert frames[0] >= recipe.max_offset  # it has all its key frames


@pytest.mark.parametrize("task", ["segmentation", "detection"])
@pytest.mark.parametrize("row", VARIED)
def test_rows_differ_from_dff_in_their_own_fields_only(task, row):
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
    """Return the fields in which two recipes differ, except the name."""
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
    with pytest.raises(ValueError, match=r"no 'xyzzy'; python -m dffkit train lists them$"):
        find("xyzzy")


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


def test_a_changed_recipe_that_begins_with_frame_changes_frame_too():
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


HASHES = {
    "toytown/flow": "c3a7ecd22dbd",
    "toytown/stills": "6e770813d937",
    "toytown/segmentation/dff": "cc3e60904fa1",
    "toytown/detection/dff": "e17c62c71ad2",
    "toytown/detection/fix-n": "f5ad49570d21",
    "toytown/detection/frame-half-size": "bf6d170e6df2",
    "handheld/frame": "9adefd07724e",
    "handheld/dff": "90a2dc62d403",
    "handheld/dff-from-frame": "130131c73391",
    "handheld/split-12": "165f2dba878f",
    "camvid/dff": "ef2d9de6164b",
    "pets09/dff": "f98e4cb581e8",
}


@pytest.mark.parametrize(("name", "expected"), HASHES.items())
def test_stored_rows_and_weights_are_still_found(name, expected):
    assert find(name).hash == expected


def test_the_handheld_worlds_recipes_build_and_keep_table_2s_cost_ratio():
    for recipe in HANDHELD.values():
        build(recipe)
    for depth in (50, 101):
        ratio = inverse_ratio(depth, "FlowNet Inception", WIDER_INCEPTION, small_stem=True)
        assert ratio == pytest.approx(TABLE_2[f"ResNet-{depth}", "FlowNet Inception"], rel=0.10)
    for world in ("handheld", "toytown/segmentation"):
        from_frame, fix_n = find(f"{world}/dff-from-frame"), find(f"{world}/fix-n")
        assert from_frame.start == fix_n.start
        assert differing(from_frame, fix_n) == {"freeze"}
    assert differing(HANDHELD["handheld/dff-2t"], HANDHELD["handheld/dff"]) == {"iterations"}


# The fields in which the rows of the talk's ablation differ from its row (d).
ROWS = {
    "plain-mean": {"start", "flow", "flow_width", "weighting"}, "without-flow": {"start", "flow", "flow_width"},
    "embedding-only": {"start", "freeze"}, "5-frames": {"neighbours"},
    "untrained": {"start", "iterations", "weighting"},
}  # fmt: skip


def test_aggregation_starts_as_dff_does_and_its_rows_differ_in_their_own_fields_only():
    fgfa, dff = AGGREGATION["handheld/fgfa"], HANDHELD["handheld/dff"]
    assert differing(fgfa, dff) == {"job", "scale", "length"}
    assert {name.removeprefix("handheld/fgfa-"): differing(each, fgfa) for name, each in AGGREGATION.items()} == {
        "handheld/fgfa": set()
    } | ROWS
    only = AGGREGATION["handheld/fgfa-embedding-only"]
    frame = HANDHELD["handheld/frame"]
    assert dict(only.start) == {**dict(dff.start), "feature_network": frame, "task_network": frame}


@pytest.mark.parametrize("name", AGGREGATION)
def test_aggregation_builds_starts_and_survives_json(name):
    recipe = AGGREGATION[name]
    assert Recipe(**json.loads(json.dumps(dataclasses.asdict(recipe)))).hash == find(name).hash == recipe.hash
    model = build(recipe)
    for part, needed in recipe.start:
        load_part(model, part, build(needed).state_dict())
    trained = {part.split(".")[0] for part in trainable(model, recipe)}
    everything = {part for part, network in model.named_children() if list(network.parameters())}
    assert trained == ({"embedding"} if name.endswith("embedding-only") else everything)
    assert ("embedding" in everything) == (recipe.weighting == "cosine")


@pytest.mark.parametrize("count", [0, 20])
def test_more_neighbours_than_there_are_frames_are_refused(count):
    with pytest.raises(ValueError, match=f"neighbours: expected 1 to 19, as max_offset says, got {count}"):
        dataclasses.replace(AGGREGATION["handheld/fgfa"], neighbours=count)
