"""Notebook 08: weights by hand, bounds, similarity along the flow, the stream and its direct result, and the widget."""

import pytest
import torch
from hand_made import boxes, snippets

from dffkit.aggregation.cost import AggregationCosts
from dffkit.aggregation.model import Embedding, weight_bounds
from dffkit.aggregation.stream import aggregate
from dffkit.lessons import nb08_aggregation as lesson

pytestmark = pytest.mark.usefixtures("one_thread")


def test_weights_by_hand_are_those_of_the_prose():
    found = lesson.weights_by_hand().set_index("frame")
    assert found["cell 0"].tolist() == ["1 → 0.333"] * 3
    e = torch.tensor(1.0).exp()
    worst = float(1 / e / (1 / e + 2 * e))
    assert found["cell 2"]["before"] == f"-1 → {worst:.3f}"
    assert found["cell 3"]["after"].startswith("0 → ")  # a long arrow counts no more


def test_the_picture_names_the_bounds():
    low, high = weight_bounds(21)
    assert f"For 21 frames they are {low:.4f} and {high:.4f}." in lesson.bounds_picture().alt


def test_cells_belong_to_a_box_by_their_centres():
    inside = lesson.cells_of_boxes(torch.tensor([[0.0, 8.0, 24.0, 25.0], [40.0, 24.0, 41.0, 40.0]]), (48, 64))
    assert inside.nonzero().tolist() == [[0, 0], [1, 0], [1, 2]]


def test_a_frame_is_most_similar_to_itself(monkeypatch):
    class Still:
        def key_frame(self, frame):
            from dffkit.dff import KeyFrame

            return KeyFrame(torch.nn.functional.avg_pool2d(frame.float(), 16), frame)

        def flow_network(self, current, key):
            return torch.zeros(1, 2, 2, 4), None

    (film,) = snippets("detection", count=1)
    monkeypatch.setattr(lesson, "OFFSETS", (0, 5))
    found = lesson.similarity(Still(), film, 5)
    assert found["frames before"].tolist() == [0, 5]
    assert found["carried"].tolist() == found["left in place"].tolist()  # no flow
    assert found["carried"][0] == pytest.approx(1)
    assert found["carried"][1] < 1


def test_the_stream_gives_what_is_computed_directly():
    model, video = lesson.small_model(), lesson.noise(5)
    streamed = [result.output for result in aggregate(model, video, 2)]
    assert all(torch.equal(*pair) for pair in zip(streamed, lesson.direct(model, video, 2), strict=True))
    found = lesson.arrivals(model, video, 2)
    assert found["frames read"].tolist() == [3, 4, 5, 5, 5]
    assert found["made of frames"].tolist()[0] == "0, 0, 0, 1, 2"


def test_the_cost_is_the_formula_and_the_count():
    found = lesson.cost_table()
    assert found.counted.tolist() == ["yes", "-", "yes", "-"]
    assert [round(each, 2) for each in found.table2] == [2.57, 2.65, 2.57, 2.65]
    assert round(found.r[2], 2) == 2.55  # the talk's 733 / 288 ms
    assert found.r[0] > found.r[2]


def test_a_cost_that_disagrees_is_told(monkeypatch):
    monkeypatch.setattr(lesson, "count_frame", lambda *_: 1)
    assert lesson.cost_table().counted.tolist() == ["no", "-", "no", "-"]


def test_the_cost_table_has_both_settings_of_one_model(monkeypatch):
    monkeypatch.setattr(lesson, "fgfa", lambda embed_first: embed_first)
    monkeypatch.setattr(lesson, "count_costs", lambda first: AggregationCosts(8, 2, 1, 0, 10, first))
    monkeypatch.setattr(lesson, "count_frame", lambda *_: 0)
    assert lesson.cost_table().r.tolist() == pytest.approx([1 + 23, 1 + 23.1, 1 + 3, 1 + 3.1])


def test_seq_nms_holds_up_the_blurred_box_and_drops_the_one_that_is_too_small():
    found = lesson.sequence_by_hand().set_index(["frame", "box"]).after
    assert found.xs("thing", level="box").tolist() == pytest.approx([0.7] * 3)
    assert torch.isnan(torch.tensor(found[1, "too small"]))
    assert found[2, "far away"] == pytest.approx(0.5)


@pytest.fixture(scope="module")
def weighed():
    (film,) = snippets("detection", count=1)
    model = lesson.small_model()
    model.embedding = Embedding(model.feature_network.channels)
    return lesson.Weighed(model, film, 5)


def test_the_widget_starts_in_the_box_and_every_cell_can_be_chosen(weighed):
    x1, y1, x2, y2 = boxes(5)["boxes"][0].tolist()
    assert (weighed.row, weighed.column) == (int((y1 + y2) / 32), int((x1 + x2) / 32))
    assert weighed.cosines.shape == (21, 2, 4)
    assert weighed.cosines[lesson.REACH].min() > 0.999
    explorer = lesson.weights_explorer(weighed)
    assert f"row {weighed.row}, column {weighed.column}" in explorer.fallback.alt
    before = explorer.view.value
    for name, value in (("reach", 1), ("column", 0), ("column", 3), ("row", 1), ("row", 0)):
        explorer.sliders[name].value = value
        assert explorer.view.value != before or value == getattr(weighed, name, None)
        before = explorer.view.value
    assert "The weights of 3 frames at the cell in row 0, column 3" in explorer.draw().alt


def test_the_weights_drawn_are_the_softmax_over_the_frames_chosen(weighed):
    for reach in (1, lesson.REACH):
        middle = slice(lesson.REACH - reach, lesson.REACH + reach + 1)
        weights = weighed.cosines[middle, 1, 2].softmax(0)
        weights[reach] = 0  # the current frame, which is drawn anyway
        assert f"of most weight, {float(weights.max()):.3f} at" in lesson.weights_at(weighed, reach, 2, 1).alt
