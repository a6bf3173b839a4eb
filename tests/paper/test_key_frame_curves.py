"""key_frame_curves.py: schedules compared at equal rate, and gains by Seq-NMS, from made-up rows."""

import numpy as np
import pytest
from stored_scores import stored

from dffkit.experiments import results
from dffkit.experiments.key_frames import DURATIONS
from dffkit.paper.key_frame_curves import LOOKS, at_rate, figure, schedules, seq_nms
from dffkit.scores.differences import SampledScore
from dffkit.support.errors import DataError

DRAWS = np.array([-0.01, 0, 0.01])


def store_schedules(folder, better=0.02, shift=0.0):
    """Store a fixed schedule whose mAP grows with its rate, and others that are `better` at a rate that is `shift` off.

    All replicates of a draw move together.
    """
    rows = []
    for name in LOOKS:
        for duration in DURATIONS:
            rate = 1 / duration + (shift if name != "fixed" else 0)
            value = 0.8 + 0.3 * rate + (better if name != "fixed" else 0)
            for subset, less in (("all", 0), ("fast", 0.1)):
                fields = {"metric": f"mAP, key frames: {name}", "subset": subset, "duration": duration}
                rows.append(stored("handheld/dff", value - less, replicates=value - less + DRAWS, **fields))
            rows.append(stored("handheld/dff", rate, metric=f"rate, key frames: {name}", duration=duration))
    results.add(folder / "clips.csv", rows)


@pytest.mark.parametrize(("better", "verdict"), [(0.02, "better"), (-0.02, "worse")])
def test_a_schedule_is_compared_at_its_own_rate(results_folder, better, verdict):
    store_schedules(results_folder, better, shift=0.01)
    found = schedules().set_index(["schedule", "duration"])
    line = found.loc["flow length", 5]
    assert line.rate == pytest.approx(21)
    assert line.score == pytest.approx(100 * (0.8 + 0.3 * 0.21 + better))
    assert (line.difference, line.difference_low, line.difference_high) == pytest.approx([100 * better] * 3, abs=1e-3)
    assert line.verdict == verdict
    assert found.loc["fixed", 5].verdict == ""
    assert np.isnan(found.loc["fixed", 5].difference)
    assert found.loc["fixed", 5].high - found.loc["fixed", 5].low == pytest.approx(1.9)
    assert schedules("fast").score.to_numpy() == pytest.approx(found.score.to_numpy() - 10)


def test_a_score_lies_on_the_line_through_the_two_nearest_rates():
    points = [(0.3, SampledScore(0.9, DRAWS)), (0.1, SampledScore(0.7, 2 * DRAWS)), (0.2, SampledScore(0.8, 3 * DRAWS))]
    for rate, value, draws in ((0.15, 0.75, 2.5), (0.2, 0.8, 3), (0.25, 0.85, 2), (0.05, 0.65, 1.5), (0.35, 0.95, 0)):
        found = at_rate(points, rate)
        assert found.value == pytest.approx(value)
        assert found.replicates == pytest.approx(draws * DRAWS)


def test_the_figure_has_a_curve_for_each_schedule_and_differences_for_all_but_the_fixed(results_folder):
    store_schedules(results_folder)
    shown, numbers = figure()
    left, right = shown.axes
    assert [line.get_label() for line in left.lines] == list(LOOKS)
    assert left.lines[0].get_xdata() == pytest.approx([100 / each for each in DURATIONS])
    assert len(right.containers) == len(LOOKS) - 1
    assert len(numbers) == len(LOOKS) * len(DURATIONS)


@pytest.mark.usefixtures("results_folder")
def test_without_rows_the_error_says_what_to_run():
    with pytest.raises(DataError, match="python -m dffkit evaluate handheld/dff --clips --split test"):
        schedules()


def test_gains_by_seq_nms_are_over_the_same_row_without_it(results_folder):
    def row(metric, value):
        fields = {"metric": f"mAP of clips{metric}", "duration": 1}
        return stored("handheld/frame", value, replicates=value + DRAWS, **fields)

    results.add(results_folder / "clips.csv", [row("", 0.9), row(", Seq-NMS mean", 0.93), row(", Seq-NMS max", 0.88)])
    found = seq_nms("handheld")
    assert found.row.tolist() == ["Frame", "Frame, Seq-NMS mean", "Frame, Seq-NMS max"]
    assert found.gain[1:].tolist() == pytest.approx([3, -2])
    assert found.verdict.tolist() == ["", "better", "worse"]
    assert np.isnan(found.gain[0])
    assert seq_nms("detection").empty
