"""network_drawings.py: the drawings show the networks as they are built, and can be read."""

from functools import partial
from itertools import combinations

import matplotlib.pyplot as plt
import pytest

from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet_half
from dffkit.paper import network_drawings
from dffkit.paper.style import STYLE


def texts_of(figure):
    return [text for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize("name", ["n_feat", "r_fcn", "flow_resolutions"])
def test_texts_are_large_and_apart(name):
    with plt.style.context(STYLE):
        figure, _ = getattr(network_drawings, name)()
        renderer = figure.canvas.get_renderer()
        places = [(text.get_text(), text.get_window_extent(renderer)) for text in texts_of(figure)]
    assert len(places) > 12
    assert min(text.get_fontsize() for text in texts_of(figure)) * 800 / 72 / figure.get_figwidth() > 11  # pixels
    for (one, first), (other, second) in combinations(places, 2):
        assert not first.overlaps(second), f"{one!r} lies on {other!r}"


def test_n_feat_keeps_the_stride_of_conv4_and_halves_in_the_first_layer_of_a_block():
    lines = network_drawings.n_feat_parts().set_index(["network", "part"])
    ours, theirs = (lines.loc[name] for name in ("N_feat", network_drawings.TORCHVISION))
    assert ours.out["conv4"] == theirs.out["conv4"] == (1024, 38, 63)
    assert (ours.stride["conv5"], theirs.stride["conv5"]) == (16, 32)
    assert ours.dilation[["conv4", "conv5", "reduction"]].tolist() == [1, 2, 6]
    block = lines.loc[lines.index.get_level_values("part").str.startswith("conv3, ")]
    halved = block[block["into"].str[1] != block.out.str[1]]
    assert halved.index.tolist() == [(network_drawings.TORCHVISION, "conv3, b"), ("N_feat", "conv3, a")]


def test_other_networks_give_other_drawings(monkeypatch):
    monkeypatch.setattr(network_drawings, "RFCN", partial(RFCN, bins=3))
    monkeypatch.setattr(network_drawings, "FeatureNetwork", partial(FeatureNetwork, layout="torchvision"))
    monkeypatch.setattr(network_drawings, "flownet", flownet_half)
    assert network_drawings.r_fcn_parts().out.str[0].tolist() == [18, 36, 31 * 9, 8 * 9]
    lines = network_drawings.n_feat_parts().set_index(["network", "part"])
    assert lines.out["N_feat", "conv3, a"] == (128, 150, 250)
    assert network_drawings.flow_parts().set_index("part").out["encoder 4"] == (512, 5, 8)


def test_the_flow_field_has_the_resolution_of_the_features():
    lines = network_drawings.flow_parts().set_index("part")
    assert lines.out["flow field"] == (2, 38, 63)
    assert lines.out["scale field"] == (1024, 38, 63)
    assert lines.stride.filter(like="decoder").tolist() == [128, 64, 32, 16, 8]


def test_the_cuts_are_those_of_table_5():
    figure, _ = network_drawings.n_feat()
    texts = [(text.get_text(), text.get_position()[0]) for text in texts_of(figure)]
    boxes = [(int(text.split("\n")[1].split()[0]), x) for text, x in texts if text.endswith(("layer", "layers"))]
    cuts = {int(text): x for text, x in texts if text.isdecimal()}
    assert set(cuts) == set(network_drawings.SPLITS)
    for count, place in cuts.items():
        assert sum(layers for layers, x in boxes if x > place) == count
