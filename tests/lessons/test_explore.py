"""explore.py: the widget and its still picture, pictures as HTML, and the source of functions."""

import base64
import html
import re

import matplotlib
import matplotlib.image
from matplotlib.figure import Figure

from dffkit.lessons import explore, nb02_warping
from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.lessons.nb02_warping import bilinear_explorer, bilinear_reading
from dffkit.warp import warp

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def name_and_size(name: int, size: float) -> Picture:
    return Picture(b"", f"{name} <{size}>")


def test_a_slider_redraws_the_picture():
    explorer = bilinear_explorer()
    before = explorer.view.value
    explorer.sliders["dx"].value = -3.0
    assert explorer.view.value != before
    assert explorer.view.value == bilinear_reading(-3.0, 0.5).to_html()
    explorer.sliders["dy"].value = 3.0
    assert explorer.view.value == bilinear_reading(-3.0, 3.0).to_html()


def test_whole_numbers_give_a_slider_of_whole_numbers():
    explorer = Explorer(name_and_size, name=slider("a name", 1, 20, 1, 10), size=slider("a size", 0, 1.0, 0.5, 0.5))
    explorer.sliders["name"].value = 20
    explorer.sliders["size"].value = 1
    assert isinstance(explorer.sliders["name"].value, int)
    assert isinstance(explorer.sliders["size"].value, float)
    assert html.escape("20 <1.0>") in explorer.view.value
    assert [child.description for child in explorer.children[:-1]] == ["a name", "a size"]


def test_a_slider_shows_all_decimals_of_its_steps():
    formats = [slider("a size", 0, 1.0, step, 0).readout_format for step in (0.25, 0.005, 0.5)]
    assert formats == [".2f", ".3f", ".1f"]


def test_the_play_button_moves_its_slider_and_follows_it():
    frame = slider("frame", 0, 9, 1, 4)
    explorer = Explorer(name_and_size, played="name", name=frame, size=slider("a size", 0, 1.0, 0.5, 0.5))
    play = explorer.play
    assert explorer.children == (play, frame, explorer.sliders["size"], explorer.view)
    assert (play.min, play.max, play.step, play.value) == (0, 9, 1, 4)
    play.value = 5
    assert frame.value == 5
    assert html.escape("5 <0.5>") in explorer.view.value
    frame.value = 2  # dragged, or moved by a key
    assert play.value == 2
    assert html.escape("2 <0.5>") in explorer.view.value
    assert not hasattr(bilinear_explorer(), "play")


def test_without_a_kernel_a_widget_is_its_first_picture():
    explorer = bilinear_explorer()
    explorer.sliders["dx"].value = 0.0
    data, metadata = explorer._repr_mimebundle_()
    first = bilinear_reading(1.25, 0.5)
    assert WIDGET_VIEW in data
    assert base64.b64decode(data["image/png"]) == first.png
    assert data["text/plain"] == metadata["image/png"]["alt"] == first.alt


def test_the_style_does_not_leak():
    before = dict(matplotlib.rcParams)
    nb02_warping.kernel_tent(2.25)
    assert dict(matplotlib.rcParams) == before


def test_a_picture_as_html_is_escaped():
    text = Picture(b"png", 'a "quoted" <text>', 300).to_html()
    assert 'alt="a &quot;quoted&quot; &lt;text&gt;"' in text
    assert base64.b64encode(b"png").decode() in text
    assert 'width="300"' in text
    assert "width=" not in Picture(b"png", "text").to_html()


def test_show_takes_figures_and_files(monkeypatch):
    shown = []
    monkeypatch.setattr(explore, "display", shown.append)
    explore.show(Figure(figsize=(2, 1)), alt="an empty figure")
    explore.show(shown[0].png, alt="the same from a file")
    assert [picture.alt for picture in shown] == ["an empty figure", "the same from a file"]
    assert [picture.width for picture in shown] == [200, None]
    assert shown[1]._repr_mimebundle_()[1] == {"image/png": {"alt": "the same from a file"}}


def test_source_is_shown_without_its_docstring():
    text = html.unescape(re.sub("<[^>]+>", "", explore.source(warp).data)).strip()
    assert text.startswith("def warp(features: Tensor, flow: Tensor) -> Tensor:\n    _check(")
    assert text.endswith("return warped.view(batch, height, width, -1).permute(0, 3, 1, 2)")
    assert '"""' not in text
    assert "name_and_size" in explore.source(name_and_size).data
