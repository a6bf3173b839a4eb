"""Notebook 01: pictures and sliders, Figure 1, and the exercises' checks."""

import io
import itertools

import numpy as np
import pandas
import pytest
import torch
from hand_made import small_model
from matplotlib.figure import Figure
from PIL import Image

from dffkit import weights
from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import map_similarity
from dffkit.lessons import nb01_feature_maps
from dffkit.lessons.explore import Picture
from dffkit.paper import feature_maps, figure1


def with_a_silent_filter() -> DeepFeatureFlow:
    model = small_model()
    with torch.no_grad():
        model.feature_network.reduce.bias[0] = -1e6
    return model


@pytest.fixture(scope="module")
def scene() -> feature_maps.PropagatedStreet:
    return feature_maps.propagate_street(with_a_silent_filter(), Film("test", 0), key=3, length=4)


@pytest.fixture(scope="module")
def surveys() -> tuple[feature_maps.Survey, feature_maps.Survey]:
    model = with_a_silent_filter()
    return tuple(feature_maps.survey(model, split, streets=2, moments=(0,)) for split in ("val", "test"))


def pixels(picture: Picture | Figure) -> np.ndarray:
    if isinstance(picture, Figure):
        picture = Picture.of(picture, "")
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))


# The widget


@pytest.mark.parametrize(("number", "gap"), list(itertools.product([0, 1, 40, 63], [0, 1, 3])))
def test_the_text_of_the_widget_s_picture_holds_the_differences(scene, number, gap):
    picture = nb01_feature_maps.propagated_filter(scene, number, gap)
    assert picture.alt.startswith(f"Filter {number}, {gap} frames after the key frame.")
    own = scene.features[gap, number]
    if number == 0:
        assert "silent" in picture.alt
        return
    key, propagated = scene.features[0], scene.propagated[gap]
    for maps, words in ((key, "The key frame's map differs"), (propagated, "the propagated map")):
        share = 100 * (maps[number] - own).abs().mean() / own.abs().mean()
        assert f"{share:.0f}%" in picture.alt[picture.alt.index(words) :].split(",")[0]


def test_every_slider_position_has_its_own_picture_of_the_same_size(scene):
    shown = [pixels(nb01_feature_maps.propagated_filter(scene, n, gap)) for n, gap in ((1, 0), (1, 1), (2, 1), (0, 3))]
    assert len({image.shape for image in shown}) == 1  # or the widget would jump under the mouse
    assert len({image.tobytes() for image in shown}) == len(shown)


def test_the_sliders_reach_every_filter_and_gap(scene):
    explorer = nb01_feature_maps.propagation_explorer(scene, number=7)
    assert (explorer.sliders["number"].value, explorer.sliders["gap"].value) == (7, 3)
    for name, (low, high) in {"number": (0, 63), "gap": (0, 3)}.items():
        slider = explorer.sliders[name]
        assert (slider.min, slider.max, slider.step) == (low, high, 1)
        seen = explorer.view.value
        for value in (low, high):
            slider.value = value
            assert f"Filter {explorer.sliders['number'].value}, {explorer.sliders['gap'].value} frames" in (
                explorer.view.value
            )
        assert explorer.view.value != seen or name == "gap"
    assert explorer.fallback.alt.startswith("Filter 7, 3 frames")


# The pictures that do not move


@pytest.fixture(scope="module")
def stills(scene, surveys) -> dict[str, Picture]:
    val, test = surveys
    choices, drawn = feature_maps.best_filters(val, test), feature_maps.random_filter(val, test)
    other = feature_maps.propagate_street(with_a_silent_filter(), Film("test", 1), key=3, length=4)
    curves = {
        grid: map_similarity.between_streets([ride.layers[grid] for ride in (scene, other)])
        for grid in map_similarity.GRIDS
    }
    right = pandas.DataFrame({"own": [93.2, 91.5], "carried": [93.2, 88.1], "copied": [93.2, 75.4]})
    above = {grid: map_similarity.above_chance(table) for grid, table in curves.items()}
    return {
        "filter map": nb01_feature_maps.filter_map(scene.frames[0], scene.features[:1], 5),
        "filter ranking": nb01_feature_maps.filter_ranking(
            test, choices, drawn, feature_maps.network_correlation(test)
        ),
        "similarity": nb01_feature_maps.similarity_curves(curves),
        "above chance": nb01_feature_maps.similarity_curves(above),
        "result": nb01_feature_maps.result_curves(right),
        "errors": nb01_feature_maps.error_curves(feature_maps.propagation_errors([scene])),
        "flow gain": nb01_feature_maps.flow_gain_curves(feature_maps.flow_gain_by_layer([scene])),
        "figure 1": Picture.of(figure1.paint(scene, 2, choices, drawn), "ten words " * 5),
    }


def test_every_picture_has_a_text_and_nothing_is_cut_off(stills):
    for name, picture in stills.items():
        assert len(picture.alt.split()) >= 10, name
        image = pixels(picture)
        assert (image < 128).mean() > 0.003, name
        for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
            assert (edge > 250).all(), f"{name}: something is cut off"


def test_texts_hold_the_numbers_of_the_curves(stills, scene, surveys):
    val, test = surveys
    for choice in feature_maps.best_filters(val, test):
        assert f"for {choice.name} filter {choice.filter} at {choice.test:.2f}, rank {choice.rank} of 64" in (
            stills["filter ranking"].alt
        )
    assert "At the key frame: own 93.2, carried 93.2, copied 93.2" in stills["result"].alt
    assert "after 1 frames: own 91.5, carried 88.1, copied 75.4" in stills["result"].alt
    error = feature_maps.propagation_errors([scene])["copied"][3]
    assert f"after 3: copied {error:.2f}" in stills["errors"].alt
    pixels_then = feature_maps.flow_gain_by_layer([scene])["pixels"][3]
    assert f"after 3: pixels {pixels_then:.2f}" in stills["flow gain"].alt
    assert "in another street" in stills["similarity"].alt
    assert "in another street" not in stills["above chance"].alt


# Figure 1


def test_figure_1_s_numbers_are_the_maps_in_parts_of_their_highest_value(scene, surveys):
    val, test = surveys
    choices, drawn = feature_maps.best_filters(val, test), feature_maps.random_filter(val, test)
    numbers = figure1.numbers(scene, 2, choices, drawn)
    assert len(numbers) == 3 * 3 * 12 * 24
    assert numbers.of.unique().tolist() == ["car", "person", "random"]
    for number, table in zip([c.filter for c in choices] + [drawn[0].filter], _by_of(numbers), strict=True):
        assert table["filter"].unique().tolist() == [number]
        maps = torch.stack([part[number] for part in (scene.features[0], scene.features[2], scene.propagated[2])])
        written = torch.tensor(table.value.tolist(), dtype=torch.float64).view(3, 12, 24)
        assert torch.allclose(written, maps / maps.max(), atol=6e-4)
        assert table.query("row == 3 and column == 5").panel.tolist() == list(figure1.MAPS)


def _by_of(numbers):
    return [table for _, table in numbers.groupby("of", sort=False)]


def test_figure_1_shows_its_numbers(scene, surveys):
    val, test = surveys
    choices, drawn = feature_maps.best_filters(val, test), feature_maps.random_filter(val, test)
    numbers = figure1.numbers(scene, 2, choices, drawn)
    grid = np.array(figure1.paint(scene, 2, choices, drawn).axes).reshape(4, 3)
    for line, table in zip(grid[1:], _by_of(numbers), strict=True):
        for axes, name in zip(line, figure1.MAPS, strict=True):
            shown = np.asarray(axes.images[0].get_array()).ravel()
            assert shown.tolist() == table[table.panel == name].value.tolist()
    assert f"{choices[0].test:.2f}" in grid[1, 0].get_ylabel()
    assert f"of {scene.features.shape[1]} on test" in grid[2, 0].get_ylabel()
    assert "drawn at random" in grid[3, 0].get_ylabel()


def test_figure_1_is_drawn_with_the_shipped_model(monkeypatch):
    asked = []
    monkeypatch.setattr(
        weights, "load", lambda *names, **options: asked.append((names, options)) or with_a_silent_filter()
    )
    monkeypatch.setattr(figure1, "survey", lambda model, split: feature_maps.survey(model, split, 2, (0,)))
    (first, numbers), (second, again) = figure1.draw(), figure1.draw()
    assert asked == [(("toytown/segmentation/dff",), {})] * 2
    assert numbers.equals(again)
    assert (pixels(first) == pixels(second)).all()


@pytest.mark.parametrize(
    ("number", "words"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")]
)
def test_ranks_read_as_english(number, words):
    assert figure1._ordinal(number) == words
