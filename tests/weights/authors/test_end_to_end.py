"""The authors' network from end to end: their symbols under MXNet 1.9.1, and the kit with the same weights and frames.

The authors' test symbols (configuration dff_rfcn_vid_demo.yaml) ran on a CPU in float32, with random weights and
frames. `dff_end_to_end.npz` has the arrays of two cases, each a key frame and a current frame whose sides are odd:
`filled`, where NMS leaves 300 regions, and `short`, where it leaves fewer. `dff_parameters.json` says how each of the
578 arrays of random weights is drawn, at full width: `normal` or `uniform` numbers of a RandomState seeded with the CRC
of the array's name. A subset of the channels is stored; an array `*_mean` has the mean over the map of every channel.
"""

import json
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from params_writer import encode_array, pieces
from places import GOLDEN

from dffkit.networks.detection import HEAD_STD
from dffkit.networks.proposals import decode_boxes, make_anchors
from dffkit.warp import propagate, warp
from dffkit.weights.authors.checkpoint import load_mxnet
from dffkit.weights.authors.conventions import AUTHORS

PART = 2e-5  # largest difference allowed, as a part of the array's largest value: sums are added in another order
PIXELS, PROBABILITY = 2e-3, 1e-5
MISSES = 2  # regions or detections: NMS at IoU 0.7 turns on differences of 4e-6, the order of scores on 1e-7
EXCLUSIVE = torch.tensor([0, 0, 1, 1])  # inclusive corners + EXCLUSIVE = exclusive corners
CASES = ("filled", "short")
FRAMES = [(case, frame) for case in CASES for frame in ("key", "current")]
MAPS = {"rpn_cls_score": 18, "rpn_bbox_pred": 36, "rfcn_cls": 49 * 31, "rfcn_bbox": 49 * 8}  # channels
EVERY = {"features": 16, "scale": 16, "warped": 16, "propagated": 16, "rfcn_cls": 31, "rfcn_bbox": 8}  # n-th channel
OF_REGIONS = {"rois", "roi_scores", "cls_prob", "bbox_pred", "boxes", "detections"}
FINAL_UNITS = torch.tensor(HEAD_STD).repeat(2)  # the authors' test weights hold these factors, the kit's do not


def draw(parameter):
    """Draw one array as its entry in `dff_parameters.json` says."""
    random = np.random.RandomState(zlib.crc32(parameter["seed_name"].encode()))
    if parameter["draw"] == "normal":
        values = parameter["mean"] + parameter["std"] * random.standard_normal(parameter["shape"])
    else:
        low, high = parameter["low"], parameter["high"]
        values = low + (high - low) * random.random_sample(parameter["shape"])
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The kit's network with the drawn weights, read from a checkpoint of 400 MB."""
    parameters = json.loads((GOLDEN / "dff_parameters.json").read_text())
    path = tmp_path_factory.mktemp("authors") / "drawn-0000.params"
    names = [parameter["stored"].encode() for parameter in parameters]
    arrays = (encode_array(draw(parameter), "legacy") for parameter in parameters)
    with path.open("wb") as file:
        file.writelines(pieces(len(parameters), arrays, names))
    network = load_mxnet(path)
    path.unlink()
    return network


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "dff_end_to_end.npz", allow_pickle=False) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


@pytest.fixture(scope="module")
def ours(model, golden):
    """The kit's stages under the names of the stored arrays, without the batch axis, and its whole maps."""
    return {f"{case}.{name}": value[0] for case in CASES for name, value in run(model, golden, case).items()}


@torch.no_grad()
def run(model, golden, case):
    """Run N_feat on the key frame, F between the frames, and N_task on both."""
    key, current = (golden[f"{case}.{frame}.frame"].permute(2, 0, 1)[None] for frame in ("key", "current"))
    features, flow = model.feature_network, model.flow_network
    stages = {"key.pool1": features.maxpool, "key.features": features}
    ends = ("res2c_relu", "res3b3_relu", "res4b22_relu", "res5c_relu")
    stages |= {f"key.{name}": features.get_submodule(f"layer{i + 1}")[-1] for i, name in enumerate(ends)}
    stages |= {f"current.ReLU{2 * i + 2}": stage for i, stage in enumerate(flow.encoder.stages)}
    stages |= {f"current.Convolution{i + 1}": layer for i, layer in enumerate(flow.flows)}
    found = {}
    hooks = [module.register_forward_hook(partial(keep_output, found, name)) for name, module in stages.items()]
    hooks.append(flow.flow.register_forward_hook(partial(keep_input, found, "current.resize_concat5")))
    of_key, inputs = features(key), [flow.prepare(frame) for frame in (current, key)]
    field, scale = flow(*inputs)
    for hook in hooks:
        hook.remove()
    found |= {"current.resize_data": torch.cat(inputs, dim=1), "current.flow": field, "current.scale": scale}
    found |= {"current.warped": warp(of_key, field), "current.propagated": propagate(of_key, field, scale)}
    for frame, of_frame in (("key", of_key), ("current", found["current.propagated"])):
        maps = found[f"{frame}.maps"] = model.task_network(of_frame)
        parts = dict(zip(MAPS, maps.split(list(MAPS.values()), dim=1), strict=True))
        parts["rfcn_bbox"] = parts["rfcn_bbox"] * FINAL_UNITS.repeat_interleave(49).view(1, -1, 1, 1)
        found |= {f"{frame}.{name}": part for name, part in parts.items()}
    return found


def keep_output(found, name, _module, _inputs, output):
    found[name] = output.clone()  # the next layer may change it in place


def keep_input(found, name, _module, inputs, _output):
    found[name] = inputs[0]


def missing(expected, found, tolerance):
    """Count the rows of `expected` that have no row of `found` within `tolerance` in each column."""
    near = ((expected[:, None] - found[None]).abs() <= tolerance).all(2)
    return int((~near.any(1)).sum())


def size_of(golden, case):
    return tuple(golden[f"{case}.key.frame"].shape[:2])


def distinct(rois):
    """The regions before the first that is repeated, as exclusive corners: box i of 300 is box i mod n."""
    return rois[: len(rois.unique(dim=0)), 1:] + EXCLUSIVE


def test_all_maps_are_the_authors(ours, golden):
    compared = set()
    for name, expected in golden.items():
        stage, every = name.removesuffix("_mean"), EVERY.get(name.rpartition(".")[2], 1)
        if stage in ours:
            value = ours[stage].mean((1, 2)) if name.endswith("_mean") else ours[stage][::every]
            value = value[:, -2:] if name.endswith("resize_data") else value  # its last two rows are stored
            assert value.shape == expected.shape, name
            assert (value - expected).abs().max() <= PART * expected.abs().max(), name
            compared.add(name)
    assert {name.rpartition(".")[2] for name in golden.keys() - compared} == OF_REGIONS | {"frame"}


@pytest.mark.parametrize(("case", "frame"), FRAMES)
def test_proposals_of_the_stored_maps_are_the_authors_in_order(golden, case, frame):
    names = ("rpn_cls_score", "rpn_bbox_pred", "rois", "roi_scores")
    logits, deltas, rois, scores = (golden[f"{case}.{frame}.{name}"] for name in names)
    expected = distinct(rois)
    assert len(expected) == 300 or case == "short"
    foreground = logits.unflatten(0, (2, 9)).softmax(0)[1].permute(1, 2, 0).flatten()
    deltas = deltas.unflatten(0, (9, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
    anchors = make_anchors(*logits.shape[1:], cell=AUTHORS["cell_anchors"])
    found, of_found = AUTHORS["propose"](foreground, deltas, anchors, size_of(golden, case), clip=AUTHORS["clip"])
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= PIXELS
    assert (of_found - scores[: len(found)]).abs().max() <= PROBABILITY
    assert (of_found == -1).any() == (case == "short")


@pytest.mark.parametrize(("case", "frame"), FRAMES)
def test_proposals_and_detections_are_the_authors(model, ours, golden, case, frame):
    maps, size = ours[f"{case}.{frame}.maps"][None], size_of(golden, case)
    expected, found = distinct(golden[f"{case}.{frame}.rois"]), model.task_network._propose(maps, size)[-1][0]
    assert missing(expected, found, PIXELS) <= MISSES
    assert missing(found, expected, PIXELS) <= MISSES
    expected = golden[f"{case}.{frame}.detections"] + torch.tensor([0, 0, 0, 0, 1, 1])
    (found,) = model.task_network.decode(maps, size)
    found = torch.cat([found["labels"][:, None], found["scores"][:, None], found["boxes"]], dim=1)
    tolerance = torch.tensor([0, PROBABILITY, *4 * [PIXELS]])
    assert missing(expected, found, tolerance) <= MISSES
    assert missing(found, expected, tolerance) <= MISSES


@torch.no_grad()
@pytest.mark.parametrize(("case", "frame"), FRAMES)
def test_the_head_on_the_stored_regions_is_the_authors(model, ours, golden, case, frame):
    task, size = model.task_network, size_of(golden, case)
    regions = golden[f"{case}.{frame}.rois"][:, 1:] + EXCLUSIVE
    (votes,) = task._vote(ours[f"{case}.{frame}.maps"][None, sum(task.parts[:2]) :], [regions])
    assert (votes[:, :31].softmax(1) - golden[f"{case}.{frame}.cls_prob"]).abs().max() <= PROBABILITY
    expected = golden[f"{case}.{frame}.bbox_pred"]
    assert (votes[:, 31:] * FINAL_UNITS - expected).abs().max() <= PART * expected.abs().max()
    if case == "filled":
        boxes = task.clip(decode_boxes(votes[:, -4:], regions, HEAD_STD), size) - EXCLUSIVE
        assert (boxes - golden[f"{case}.{frame}.boxes"]).abs().max() <= PIXELS
