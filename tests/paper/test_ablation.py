"""ablation.py: tables and verdicts from stored rows, on rows whose answers are known."""

import re

import numpy as np
import pytest
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.experiments.speed import Architecture
from dffkit.paper import ablation, ablation_figures, equal_speed, figures, variations
from dffkit.paper.ablation_figures import flow_quality, table3, table4
from dffkit.paper.settings import find_setting
from dffkit.paper.speed_accuracy import figure3
from dffkit.paper.variations import draw_table5
from dffkit.support.errors import DataError
from dffkit.training.recipes import find

SCORES = {"Frame": 0.72, "DFF": 0.70, "DFF fix N": 0.69, "DFF separate": 0.68, "copy": 0.66, "DFF without S": 0.699}
NOISE = 0.002
SPREAD = 0.05 * np.random.default_rng(0).standard_normal(500)  # over streets, the same for every row


def row(name, value, seed=0, noise=0, setting="segmentation", **fields):
    """A stored score of a row of the tables."""
    fields = {"replicates": value + SPREAD + noise} | fields
    fields.setdefault("duration", 1 if name == "Frame" else find_setting(setting).duration)
    return stored_score(ablation.recipe(setting, name).name, value, seed, **fields)


@pytest.fixture
def stored(results_folder):
    """Result tables in which rows differ by known amounts; fix N is as good as separate on average."""
    rng = np.random.default_rng(1)
    noise = lambda: NOISE * rng.standard_normal(500)  # noqa: E731
    errors = {"objects": 4.0, "borders": 3.0, "background": 2.0}
    results.add(results_folder / "evaluation.csv", [
        *(row(name, value, seed, noise()) for name, value in SCORES.items() for seed in (0, 1, 2)),
        *(row(name, error + seed * (name == "DFF"), seed, metric="EPE", subset=region, duration=None, replicates=None)
          for name in ("copy", "DFF") for seed in (0, 1) for region, error in errors.items()),
    ])  # fmt: skip
    times = {"frame": (100.0, 1.0, 0.004), "dff": (102.0, 9.0, 0.09), "sff-dis": (100.0, 50.0, float("nan"))}
    results.write_rows(results_folder / "speed.csv", [
        Architecture.of(find(f"toytown/segmentation/{name}"))._asdict()
        | dict(zip(("key_ms", "current_ms", "ratio"), values, strict=True))
        | {"decode_ms": 0, "key_gflop": 1, "current_gflop": 1}
        for name, values in times.items()
    ])  # fmt: skip
    return results_folder


def test_the_table_has_the_rows_that_were_run(stored):
    table = ablation.table("segmentation").set_index("row")
    assert list(table.index) == [name for name in ablation.ROWS if name in SCORES]
    for name, score in SCORES.items():
        line = table.loc[name]
        assert line.score == pytest.approx(100 * score)
        assert line.loss == pytest.approx(100 * (0.72 - score))
        assert line.low < line.score < line.high
        assert line.seeds == 3
    assert table.loc["DFF", "paper"] == 69.2
    assert table.loc["DFF", "paper_fps"] == 5.60
    assert np.isnan(table.loc["copy", "paper"])


def test_each_row_has_the_speed_of_its_network_at_the_duration_of_table_4(stored):
    table = ablation.table("segmentation").set_index("row")
    assert table.loc["Frame", "fps"] == pytest.approx(10)
    assert table.loc["Frame", "speedup"] == pytest.approx(1)
    dff = table.loc["DFF"]
    assert dff.fps == pytest.approx(5000 / (102 + 4 * 9))
    assert dff.speedup == pytest.approx(dff.fps / 10)
    assert dff.eq7 == pytest.approx(5 / (1 + 4 * 0.09))
    assert table.loc["DFF fix N", "fps"] == dff.fps  # the same network
    assert table.loc["copy", "fps"] == pytest.approx(5000 / (100 + 4))
    assert np.isnan(table.loc["DFF without S", "fps"])  # not measured


def test_statements_have_the_verdict_of_their_interval(stored):
    lines = ablation.statements("segmentation").set_index("statement")
    assert lines.loc["Frame above DFF", "verdict"] == "holds"
    assert lines.loc["Frame above DFF", "difference"] == pytest.approx(2.0)
    assert lines.loc["DFF above DFF fix N", "low"] < 1 < lines.loc["DFF above DFF fix N", "high"]
    assert lines.loc["DFF without S less than 2 points below DFF", "verdict"] == "holds"
    assert lines.by["DFF without S less than 1 point below DFF"] == lines.by["DFF above DFF without S"] == "paper"
    assert lines.by["DFF above copy"] == "kit"
    assert "DFF above SFF-slow" not in lines.index
    assert set(lines.seeds) == {3}


def test_sff_is_slower_than_frame_if_it_has_fewer_frames_a_second(stored):
    folder = stored
    frame = Architecture.of(ablation.recipe("segmentation", "Frame"))
    rows = [
        frame._asdict() | {"key_ms": 100, "current_ms": 4},
        *(Architecture.of(ablation.recipe("segmentation", row))._asdict() | {"key_ms": 100, "current_ms": current}
          for row, current in (("SFF-slow", 500), ("SFF-DIS", 10))),
    ]  # fmt: skip
    results.write_rows(
        folder / "speed.csv", [row | {"decode_ms": 0, "key_gflop": 1, "current_gflop": 1, "ratio": 1} for row in rows]
    )
    lines = ablation.slower("segmentation").set_index("statement")
    assert lines.verdict.to_dict() == {
        "SFF-slow slower than Frame": "holds",
        "SFF-DIS slower than Frame": "does not hold",
    }
    assert lines.loc["SFF-slow slower than Frame", "fps"] == pytest.approx(5000 / 2100)


def test_a_reversed_order_does_not_hold(stored):
    swapped = {"DFF": SCORES["DFF fix N"], "DFF fix N": SCORES["DFF"]}
    rows = [row(name, value, seed, NOISE * SPREAD) for name, value in swapped.items() for seed in (0, 1, 2)]
    results.add(stored / "evaluation.csv", rows)
    line = ablation.statements("segmentation").set_index("statement").loc["DFF above DFF fix N"]
    assert line.difference == pytest.approx(-1.0)
    assert line.verdict == "does not hold"
    assert line.probability < 0.01


def test_rows_without_a_common_seed_are_not_compared(stored):
    for seed in (0, 1, 2):
        results.remove(stored / "evaluation.csv", ablation.recipe("segmentation", "DFF fix N").hash, seed)
    results.add(stored / "evaluation.csv", [row("DFF fix N", SCORES["DFF fix N"], 7)])
    statements = ablation.statements("segmentation").statement.tolist()
    assert "DFF above DFF fix N" not in statements
    assert "Frame above DFF" in statements
    assert np.isnan(ablation.table("segmentation").set_index("row").loss["DFF fix N"])


def test_table_4_is_drawn_with_the_rows_that_were_run(stored):
    figure, numbers = table4()
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Handheld films, detection: mAP@0.5, l = 10",
        "The drive, segmentation: mIoU, l = 5",
        "The drive, detection: mAP@0.5, l = 10",
    ]
    assert set(numbers.task) == {"segmentation"}
    points, *_ = figure.axes[1].containers[0]
    assert list(points.get_xdata()) == list(numbers.loss)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(numbers.row)


def test_a_row_with_one_training_is_hollow_in_table_4(stored):
    recipe = ablation.recipe("segmentation", "DFF fix N")
    for seed in (1, 2):
        results.remove(stored / "evaluation.csv", recipe.hash, seed)
    figure, numbers = table4()
    one, three = figure.axes[1].containers
    assert list(one.lines[0].get_xdata()) == list(numbers.loss[numbers.row == "DFF fix N"])
    assert len(three.lines[0].get_xdata()) == len(SCORES) - 1
    assert [each.lines[0].get_markerfacecolor() == each.lines[0].get_color() for each in (one, three)] == [False, True]
    assert "over scenes and trainings" in three.get_label()
    assert "over scenes" in one.get_label()
    assert "trainings" not in one.get_label()


def test_table_4_is_printed_as_losses_beside_the_papers(stored):
    heads, *lines = figures.points_lost()
    printed = {name for name in ablation.ROWS if ablation.printed("detection", name)[0] > 0}
    expected = [name for name in ablation.ROWS if name != "Frame" and name in printed | set(SCORES)]
    assert [line[0] for line in lines] == expected
    assert {len(line) for line in (heads, *lines)} == {7}
    cells = {line[0]: line[1:] for line in lines}
    assert cells["DFF"][:2] == cells["DFF"][4:] == ["0.8", "-"]  # detection has not been run
    assert cells["DFF"][2] == "1.9"
    assert re.fullmatch(r"2\.0 \(1\.\d \.\. 2\.\d\)", cells["DFF"][3])
    assert cells["copy"][2] == "-"


def test_table_3_has_every_row_and_says_which_are_the_papers():
    _, numbers = table3()
    assert set(numbers.row) == set(ablation.rows("handheld"))
    assert set(ablation.rows("segmentation")) == set(numbers.row)
    assert set(numbers.row) - set(ablation.rows("detection")) == {"DFF from Frame's N"}
    assert numbers[numbers["in the paper"]].row.tolist() == [
        "Frame", "DFF", "DFF fix N", "DFF fix F", "DFF separate", "SFF-slow", "SFF-fast"
    ]  # fmt: skip


def test_flow_quality_is_drawn_by_region(stored):
    figure, numbers = flow_quality()
    dff = numbers[numbers.flow == "F of DFF"].set_index("region").error
    assert dff.to_dict() == pytest.approx({"objects": 4.5, "borders": 3.5, "background": 2.5})  # means over seeds
    assert set(numbers.flow) == {"no flow", "F of DFF"}
    assert figure.axes[0].get_xlim()[0] == 0


def test_tables_are_empty_where_nothing_was_run(stored):
    assert ablation.table("detection").empty
    assert ablation.statements("detection").empty


def test_dff_and_fix_n_are_compared_at_each_duration_that_both_have(stored):
    for name in SCORES:
        for seed in (0, 1, 2):
            results.remove(stored / "evaluation.csv", ablation.recipe("segmentation", name).hash, seed)
    rows = []
    for name, durations, start, slope in (
        ("DFF", range(1, 11), 0.7, 0.001), ("DFF fix N", (1, 2, 9, 10, 11), 0.71, 0.002)
    ):  # fmt: skip
        rows += [row(name, start - slope * duration, duration=duration) for duration in durations]
    results.add(stored / "evaluation.csv", rows)
    table = ablation.fix_n_by_duration("segmentation")
    assert table.duration.tolist() == [1, 2, 9, 10]
    assert table.difference.tolist() == pytest.approx([-0.9, -0.8, -0.1, 0])
    assert table.verdict.tolist()[:3] == ["does not hold"] * 3
    figure, numbers = ablation_figures.fix_n()
    (line, _) = figure.axes[1].lines
    assert line.get_xdata().tolist() == [1, 2, 9, 10]
    assert set(numbers.split) == {"test"}


HANDHELD = {"Frame": 0.72, "DFF": 0.71, "DFF from Frame's N": 0.70, "DFF fix N": 0.69}


@pytest.fixture
def handheld(results_folder):
    """Result tables of some rows on handheld films."""
    rows = [row(name, value, setting="handheld", duration=duration) for name, value in HANDHELD.items()
            for duration in ((1,) if name == "Frame" else (1, 10))]  # fmt: skip
    results.add(results_folder / "evaluation.csv", rows)
    counts = {"decode_ms": 10, "key_gflop": 1, "current_gflop": 0.1, "ratio": 0.1}
    measured = {"Frame": (90, 1), "DFF": (100, 10)}
    results.write_rows(results_folder / "speed.csv", [
        Architecture.of(ablation.recipe(setting, name))._asdict() | counts | {"key_ms": key, "current_ms": current}
        for setting, name, key, current in (
            *(("handheld", name, *times) for name, times in measured.items()),
            ("detection", "Frame", 70, 1),
        )
    ])  # fmt: skip


@pytest.mark.usefixtures("handheld")
def test_table_4_of_handheld_films_has_a_row_more_and_the_papers_numbers_for_detection():
    table = ablation.table("handheld").set_index("row")
    assert list(table.index) == list(HANDHELD)
    assert table.loss.tolist() == pytest.approx([0, 1, 2, 3])
    assert table.paper.tolist() == pytest.approx([73.9, 73.1, np.nan, 72.3], nan_ok=True)
    assert table.fps.tolist() == pytest.approx([10, *[10_000 / (100 + 9 * 10 + 10 * 10)] * 3])
    assert ablation.speed("detection", "Frame")["fps"] == pytest.approx(12.5)
    assert np.isnan(ablation.speed("detection", "DFF")["fps"])
    lines = ablation.statements("handheld").set_index("statement")
    assert lines.loc["DFF from Frame's N above DFF fix N", ["by", "verdict"]].tolist() == ["kit", "holds"]
    assert lines.loc["DFF above DFF fix N", ["by", "verdict"]].tolist() == ["paper", "holds"]


@pytest.mark.usefixtures("handheld")
def test_table_4_of_handheld_films_is_drawn_and_printed():
    figure, numbers = table4(["handheld"])
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Handheld films, detection: mAP@0.5, l = 10"
    assert [label.get_text() for label in axes.get_yticklabels()] == list(numbers.row) == list(HANDHELD)
    assert "ours, one training, 95% interval over scenes" in axes.get_legend_handles_labels()[1]
    _, dff, more, *_ = figures.points_lost(["handheld"])
    assert (dff[:2], more[:2]) == (["DFF", "0.8"], ["DFF from Frame's N", "-"])
    assert more[2].startswith("2.0")


@pytest.mark.usefixtures("handheld")
def test_settings_stand_side_by_side_and_those_without_rows_are_empty():
    figure, numbers = table4(["detection", "handheld"])
    assert [len(axes.containers) for axes in figure.axes] == [0, 1]
    assert set(numbers.task) == {"handheld"}
    lead, _ = ablation_figures.fix_n(["handheld"])
    assert lead.axes[0].lines[0].get_xdata().tolist() == [1, 10]
    assert lead.axes[0].lines[0].get_label() == "test films, 95% interval"


@pytest.mark.parametrize("draw", [table4, ablation_figures.fix_n, flow_quality, figure3, draw_table5])
def test_a_figure_without_any_row_says_what_to_run(results_folder, draw):
    missing = r"of handheld, got none; .* handheld/frame handheld/dff --split test\n.* dffkit speed --out .*speed.csv"
    with pytest.raises(DataError, match=missing):
        draw(["handheld"])
    assert ablation.table("handheld").empty
    assert ablation.statements("handheld").empty
    assert variations.statements("handheld").empty
    assert equal_speed.alternatives("handheld").empty


def test_an_unknown_setting_is_named():
    with pytest.raises(ValueError, match=r"expected one of .*'handheld'.*, got 'hand'"):
        ablation.table("hand")
