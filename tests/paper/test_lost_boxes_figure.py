"""lost_boxes_figure.py: shares of lost boxes from made-up rows."""

import pytest
from stored_scores import stored

from dffkit.experiments import results
from dffkit.experiments.scoring import LOST
from dffkit.paper.lost_boxes_figure import lost_boxes, lost_boxes_figure
from dffkit.support.errors import DataError

SHARES = {"all": 0.2, "small": 0.4, "large": 0.1, "slow": 0.1, "fast": 0.5, "large fast": 0.3, "shown": 0.1, "new": 0.9}


def store(folder, recipe, more=0.0, seeds=(0,)):
    """Store shares of a recipe; they grow by 2% with each seed."""
    results.add(folder / "evaluation.csv", [
        stored(recipe, share + more + 0.02 * seed, seed, metric=LOST, subset=group, frames=100 + seed)
        for group, share in SHARES.items() for seed in seeds
    ])  # fmt: skip


def test_shares_are_means_over_trainings_by_group(results_folder):
    store(results_folder, "handheld/dff", seeds=(0, 1))
    store(results_folder, "handheld/fix-n", more=0.05)
    table = lost_boxes()
    assert set(table.task) == {"handheld"}
    assert table.set_index("group").lost.to_dict() == pytest.approx({
        group: 100 * share + 1 for group, share in SHARES.items()
    })  # fmt: skip
    assert set(table.boxes) == {100.5}
    assert lost_boxes(["handheld"], "DFF fix N").lost[0] == pytest.approx(25)


def test_settings_have_bars_side_by_side(results_folder):
    store(results_folder, "handheld/dff")
    store(results_folder, "toytown/detection/dff", more=0.05)
    figure, _ = lost_boxes_figure()
    sizes, speeds, before = figure.axes
    handheld, drive = sizes.containers
    assert [bar.get_height() for bar in drive] == pytest.approx([45, 15])
    assert [bar.get_height() for bar in handheld] == pytest.approx([40, 10])
    assert handheld[0].get_x() + handheld[0].get_width() == pytest.approx(drive[0].get_x())
    assert [handheld.get_label(), drive.get_label()] == ["Handheld films", "The drive"]
    assert [label.get_text() for label in speeds.get_xticklabels()] == ["slow", "medium", "fast"]
    assert before.containers[0][2].get_height() == pytest.approx(90)


@pytest.mark.usefixtures("results_folder")
def test_without_rows_the_error_says_what_to_run():
    with pytest.raises(DataError, match="handheld or detection, got none"):
        lost_boxes_figure()
