"""Hand-crafted flow in the place of a flow network."""

import cv2
import numpy as np
import pytest
import torch

from dffkit.baselines import HAND_CRAFTED, classical_flow
from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.baselines.sift_flow import SiftFlowParameters
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.segmentation import ScoreMaps


def frames(shift):
    """Two frames (1, 3, 96, 128); in the key frame everything lies `shift` pixels further to the right."""
    noise = np.random.default_rng(0).uniform(0, 255, (96, 192, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    picture = torch.from_numpy(smooth).permute(2, 0, 1)[None]
    return picture[..., 32:160], picture[..., 32 - shift : 160 - shift]


@pytest.mark.parametrize("size", [(96, 128), (91, 119)])
@pytest.mark.parametrize("method", HAND_CRAFTED)
def test_every_method_finds_half_a_cell(method, size):
    flow, scale = ClassicalFlow(method)(*(frame[..., : size[0], : size[1]] for frame in frames(8)))
    assert scale is None
    assert flow.shape == (1, 2, 6, 8)
    inner = flow[0, :, 1:-1, 1:-2]
    torch.testing.assert_close(inner.mean((1, 2)), torch.tensor([0.5, 0.0]), atol=0.06, rtol=0)


def test_one_key_frame_serves_all_current_frames():
    current, key = frames(4)
    both, _ = ClassicalFlow()(torch.cat([current, key]), key)
    assert both.shape == (2, 2, 6, 8)
    assert both[0].abs().max() > 0.2
    assert both[1].abs().max() < 0.05  # the key frame itself


def test_it_takes_the_place_of_a_flow_network():
    features = FeatureNetwork(50, width=1 / 16)
    head = ScoreMaps(in_channels=features.channels, num_classes=5)
    model = DeepFeatureFlow(features, ClassicalFlow("DIS"), head).eval()
    current, key = frames(16)
    with torch.inference_mode():
        warped, own = model(current, key), model(key)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -2))
    shifted = own.roll(-1, 3)  # 16 pixels are one cell
    assert (warped - shifted)[inner].abs().mean() < 0.2 * (warped - own)[inner].abs().mean()


def test_a_kept_field_is_not_computed_again(tmp_path, monkeypatch):
    expected, _ = ClassicalFlow()(*frames(8))
    first, _ = ClassicalFlow(folder=tmp_path)(*frames(8))
    monkeypatch.setattr(classical_flow, "dis", lambda *pair: pytest.fail("computed again"))
    again, _ = ClassicalFlow(folder=tmp_path)(*frames(8))
    assert torch.equal(first, expected)
    assert torch.equal(again, expected)


def test_a_field_is_kept_for_its_pair_method_and_parameters(tmp_path, monkeypatch):
    def kept():
        return len(list(tmp_path.rglob("*.npy")))

    ClassicalFlow(folder=tmp_path)(*frames(8))
    ClassicalFlow(folder=tmp_path)(*frames(4))
    assert kept() == 2
    ClassicalFlow("SIFT Flow, fast", tmp_path)(*frames(4))
    assert kept() == 3
    monkeypatch.setitem(classical_flow.SIFT_FLOW, "SIFT Flow, fast", SiftFlowParameters(reduction=3))
    ClassicalFlow("SIFT Flow, fast", tmp_path)(*frames(4))
    assert kept() == 4


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_computed_again(tmp_path, content):
    expected, _ = ClassicalFlow(folder=tmp_path)(*frames(8))
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(content)
    assert torch.equal(ClassicalFlow(folder=tmp_path)(*frames(8))[0], expected)
    assert np.load(path).shape == expected.shape[1:]


def test_another_name_is_refused():
    with pytest.raises(ValueError, match=r"method: expected one of .*'DIS'.* got 'Farneback'"):
        ClassicalFlow("Farneback")
