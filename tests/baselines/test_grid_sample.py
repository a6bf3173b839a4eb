"""grid_sample.py: the warp by `F.grid_sample`."""

import torch

from dffkit.baselines.grid_sample import grid_sample_warp
from dffkit.warp import warp


def test_the_warp_by_grid_sample_agrees_unless_a_mistake_is_made():
    features, flow = torch.randn(2, 3, 6, 5), torch.randn(2, 2, 6, 5)
    torch.testing.assert_close(grid_sample_warp(features, flow), warp(features, flow), rtol=0, atol=1e-5)
    for slip in ({"align_corners": False}, {"divide_by_size": True}):
        assert not torch.allclose(grid_sample_warp(features, 0 * flow, **slip), features, atol=1e-2)
