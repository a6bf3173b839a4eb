"""Position-sensitive RoI pooling, in the library's convention and in the authors'."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dffkit.networks.detection import ps_roi_pool
from dffkit.weights.authors import conventions

with_both = pytest.mark.parametrize("pool", [ps_roi_pool, conventions.ps_roi_pool], ids=["library", "authors"])


def frame_box(*corners):
    return torch.tensor([corners], dtype=torch.float32)


def position_maps(bins, classes, height, width):
    """Maps that hold their own channel number, so the pooled values tell which channel each bin read."""
    channels = torch.arange(classes * bins * bins, dtype=torch.float32)
    return channels[None, :, None, None].expand(1, -1, height, width)


def random_boxes(count, height, width, generator):
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([width, height]) * 0.7
    return torch.cat([corner, corner + 4 + torch.rand(count, 2, generator=generator) * 100], 1)


def pool_by_loops(maps, box, bins, stride, pool):
    """One image, one box: the definition, cell by cell, with C's rounding (half away from zero)."""
    box = [float(side) for side in box]
    if pool is conventions.ps_roi_pool:
        x1, y1, x2, y2 = (math.floor(side + 0.5) / stride for side in box)
        smallest = 0.1
    else:
        x1, y1, x2, y2 = (math.floor(side / stride + 0.5) for side in box)
        smallest = 1
    width, height = max(x2 - x1, smallest) / bins, max(y2 - y1, smallest) / bins
    pooled = torch.zeros(len(maps) // bins**2, bins, bins, dtype=maps.dtype)
    for c, i, j in np.ndindex(*pooled.shape):
        rows = range(max(math.floor(y1 + i * height), 0), min(math.ceil(y1 + (i + 1) * height), maps.shape[1]))
        columns = range(max(math.floor(x1 + j * width), 0), min(math.ceil(x1 + (j + 1) * width), maps.shape[2]))
        values = [maps[(c * bins + i) * bins + j, y, x] for y in rows for x in columns]
        pooled[c, i, j] = sum(values) / max(len(values), 1)
    return pooled


@with_both
def test_bin_i_j_of_class_c_reads_channel_c_k_k_plus_i_k_plus_j(pool):
    pooled = pool(position_maps(3, 4, 12, 12), [frame_box(0, 0, 192, 192)], 3, 16)
    torch.testing.assert_close(pooled, torch.arange(36.0).view(1, 4, 3, 3))


@with_both
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 6), width=st.integers(1, 6), bins=st.sampled_from([1, 2, 4]))
def test_equals_the_loops(pool, seed, height, width, bins):
    """Bins of a power of 2 and float64, so that a border between bins is never a matter of rounding."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(2 * bins**2, height, width, dtype=torch.float64, generator=generator)
    corners = torch.rand(3, 2, 2, dtype=torch.float64, generator=generator) * torch.tensor([16 * width, 16 * height])
    boxes = torch.cat([corners.amin(1), corners.amax(1)], 1)
    boxes[0] = torch.tensor([0, 0, 16 * width, 16 * height])
    pooled = pool(maps[None], [boxes], bins, 16)
    expected = torch.stack([pool_by_loops(maps, box, bins, 16, pool) for box in boxes])
    torch.testing.assert_close(pooled, expected)


@with_both
def test_the_last_row_and_column_are_read(pool):
    """The operator of torchvision leaves them out, and gives 0 everywhere on a map of one row."""
    maps = torch.zeros(1, 1, 4, 5)
    maps[..., -1] = maps[..., -1, :] = 1
    pooled = pool(maps, [frame_box(0, 0, 80, 64)], 1, 16)
    assert pooled.item() == pytest.approx(8 / 20)
    pooled = pool(torch.ones(1, 1, 1, 5), [frame_box(0, 0, 80, 16)], 1, 16)
    assert pooled.item() == 1


@with_both
def test_batch_equals_single(pool):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 2 * 9, 8, 10, generator=generator)
    rois = [random_boxes(n, 128, 160, generator) for n in (4, 0, 2)]
    pooled = pool(maps, rois, 3, 16)
    single = [pool(maps[i : i + 1], [rois[i]], 3, 16) for i in range(3)]
    assert pooled.shape == (6, 2, 3, 3)
    torch.testing.assert_close(pooled, torch.cat(single))


@with_both
def test_channels_last_changes_nothing(pool):
    generator = torch.Generator().manual_seed(1)
    maps, rois = torch.randn(2, 18, 8, 10, generator=generator), [random_boxes(5, 128, 160, generator)] * 2
    pooled = pool(maps.to(memory_format=torch.channels_last), rois, 3, 16)
    torch.testing.assert_close(pooled, pool(maps, rois, 3, 16))


@with_both
def test_gradient(pool):
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(1, 8, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    rois = [random_boxes(3, 64, 80, generator)]
    assert torch.autograd.gradcheck(lambda m: pool(m, rois, 2, 16), maps)


@with_both
def test_autocast_loses_no_precision(pool):
    generator = torch.Generator().manual_seed(3)
    maps, rois = torch.randn(1, 18, 8, 10, generator=generator), [random_boxes(5, 128, 160, generator)]
    with torch.autocast("cpu", torch.bfloat16):
        pooled = pool(maps, rois, 3, 16)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, pool(maps, rois, 3, 16))


@pytest.mark.parametrize("shape", [(1, 49, 4), (1, 50, 4, 4)], ids=["dimensions", "channels"])
def test_wrong_maps(shape):
    with pytest.raises(ValueError, match=r"maps: expected \(B, C \* 49, h, w\), got"):
        ps_roi_pool(torch.zeros(shape), [torch.zeros(0, 4)] * shape[0])


def test_wrong_number_of_images():
    with pytest.raises(ValueError, match="rois: expected one tensor for each of 2 images, got 1"):
        ps_roi_pool(torch.zeros(2, 49, 4, 4), [torch.zeros(0, 4)])
