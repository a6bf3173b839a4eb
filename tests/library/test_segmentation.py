"""The segmentation network: score maps, loss and decoding."""

import pytest
import torch
import torch.nn.functional as F

from dffkit.networks.segmentation import IGNORE, ScoreMaps, upsample


def test_one_1x1_convolution_to_a_map_per_class():
    network = ScoreMaps(in_channels=8, num_classes=5)
    assert network(torch.randn(2, 8, 3, 4)).shape == (2, 5, 3, 4)
    assert (network.score.kernel_size, network.out_channels) == ((1, 1), 5)


@pytest.mark.parametrize("size", [(48, 64), (33, 49), (47, 50)])
def test_loss_is_cross_entropy_at_the_frames_resolution(size):
    network = ScoreMaps(in_channels=8, num_classes=5)
    maps = torch.randn(2, 5, 3, 4, requires_grad=True)
    targets = torch.randint(0, 5, (2, *size), dtype=torch.uint8)
    targets[0, :10] = IGNORE
    loss = network.loss(maps, targets, size)["segmentation"]
    torch.testing.assert_close(loss, F.cross_entropy(upsample(maps, size), targets.long(), ignore_index=IGNORE))
    loss.backward()
    assert maps.grad.abs().sum() > 0


def test_loss_without_labels_is_zero():
    network = ScoreMaps(in_channels=8, num_classes=5)
    targets = torch.full((1, 48, 64), IGNORE, dtype=torch.uint8)
    assert network.loss(torch.randn(1, 5, 3, 4), targets, (48, 64))["segmentation"] == 0


def test_one_labelled_pixel_is_a_mean_over_one_pixel():
    network, maps = ScoreMaps(in_channels=8, num_classes=5), torch.randn(1, 5, 3, 4)
    targets = torch.full((1, 48, 64), IGNORE, dtype=torch.uint8)
    targets[0, 20, 30] = 2
    expected = -upsample(maps, (48, 64)).log_softmax(1)[0, 2, 20, 30]
    torch.testing.assert_close(network.loss(maps, targets, (48, 64))["segmentation"], expected)


def test_ignored_pixels_do_not_matter():
    network, maps = ScoreMaps(in_channels=8, num_classes=5), torch.randn(1, 5, 3, 4, requires_grad=True)
    targets = torch.full((1, 48, 64), IGNORE, dtype=torch.uint8)
    targets[:, :8, :8] = 2
    network.loss(maps, targets, (48, 64))["segmentation"].backward()
    assert maps.grad[..., :2, :2].abs().sum() > 0
    assert maps.grad[..., 2:, 2:].abs().sum() == 0


@pytest.mark.parametrize("size", [(48, 64), (33, 49)])
def test_decode_finds_the_best_class_of_each_pixel(size):
    network = ScoreMaps(in_channels=8, num_classes=5)
    labels = torch.randint(0, 5, (2, 3, 4))
    decoded = network.decode(F.one_hot(labels, 5).permute(0, 3, 1, 2).float(), size)
    assert (decoded.dtype, decoded.shape) == (torch.uint8, (2, *size))
    centres = decoded[:, 7::16, 7::16]
    assert torch.equal(centres.long(), labels[:, : centres.shape[1], : centres.shape[2]])


@pytest.mark.parametrize("num_classes", [0, -1, 256])
def test_a_number_of_classes_that_label_maps_cannot_hold_is_named(num_classes):
    with pytest.raises(ValueError, match=r"num_classes: expected 1..255"):
        ScoreMaps(num_classes=num_classes)


def test_bfloat16_maps_are_read_in_float32():
    maps = torch.randn(1, 5, 3, 4).bfloat16()
    assert upsample(maps, (48, 64)).dtype == torch.float32


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(1, 48, 64, dtype=torch.uint8), r"\(B, H, W\) = \(2, 48, 64\), got \(1, 48, 64\)"),
        (torch.zeros(2, 40, 64, dtype=torch.uint8), r"got \(2, 40, 64\)"),
        (torch.full((2, 48, 64), 5, dtype=torch.uint8), "targets: expected labels 0..4 or 255, got 5"),
        (torch.full((2, 48, 64), -1), "targets: expected labels 0..4 or 255, got -1"),
    ],
)
def test_wrong_targets_are_named(targets, message):
    with pytest.raises(ValueError, match=message):
        ScoreMaps(in_channels=8, num_classes=5).loss(torch.randn(2, 5, 3, 4), targets, (48, 64))
