"""aggregation.py: the talk's tables and statements from made-up rows, beside the printed numbers."""

import numpy as np
import pytest
from stored_scores import stored

from dffkit.experiments import results
from dffkit.experiments.aggregation import TEST_FRAMES, metric
from dffkit.experiments.speed import Architecture
from dffkit.paper import aggregation, all_statements, claims, verdicts
from dffkit.paper.aggregation import FGFA, FROZEN, MEAN, NO_FLOW, ROWS, SINGLE, TRAINED
from dffkit.paper.key_frame_curves import seq_nms
from dffkit.paper.settings import find_setting
from dffkit.support.errors import DataError

SPREAD = 0.05 * np.random.default_rng(0).standard_normal(500)  # over films, the same for every row
SCORES = {  # all, slow, medium, fast
    SINGLE: (0.90, 0.95, 0.93, 0.80), MEAN: (0.88, 0.94, 0.92, 0.70), NO_FLOW: (0.91, 0.95, 0.93, 0.82),
    FGFA: (0.93, 0.96, 0.94, 0.87), FROZEN: (0.93, 0.96, 0.94, 0.87),
}  # fmt: skip


def row(name, value, frames, seed=0, subset="all", first=False):
    noise = 0.0005 * np.random.default_rng(seed).standard_normal(500)
    fields = {"metric": metric(frames, first), "subset": subset, "replicates": value + SPREAD + noise}
    return stored(f"handheld/{name}", value, seed, **fields)


@pytest.fixture
def ablation_rows(results_folder):
    """Three trainings of each row; FGFA and the row that is not end to end are equal."""
    rows = []
    for label, values in SCORES.items():
        name, frames, *_ = ROWS[label]
        for subset, value in zip(aggregation.SUBSETS, values, strict=True):
            rows += [row(name, value + 0.001 * (seed - 1), frames, seed, subset) for seed in (0, 1, 2)]
    results.add(results_folder / "evaluation.csv", rows)
    return results_folder


def test_the_ablation_has_scores_and_gains_by_motion_class_beside_the_talks(ablation_rows):
    found = aggregation.ablation("handheld").set_index("row")
    assert list(found.index) == list(ROWS)
    assert (found.seeds == 3).all()
    line = found.loc[FGFA]
    assert (line["all"], line.fast, line.fast_gain) == pytest.approx((93, 87, 7))
    assert line.all_low < 93 < line.all_high
    assert line.fast_high - line.fast_low > 10  # over films; those of gains cancel what films have in common
    assert line.fast_gain_high - line.fast_gain_low < 1
    assert (line.fast_printed, line.fast_printed_gain) == pytest.approx((57.6, 6.2))
    assert found.all_gain[SINGLE] == 0


def test_each_statement_has_its_verdict_and_the_talks_difference(ablation_rows):
    found = all_statements.all_statements("handheld").set_index("statement")
    expected = {
        "FGFA above a single frame": (3, 2.9, "holds"),
        "FGFA gains more on fast boxes than on medium ones": (6, 2.0, "holds"),
        "FGFA gains more on fast boxes than on slow ones": (6, 5.1, "holds"),
        "a single frame above the plain mean on fast boxes": (10, 6.8, "holds"),
        "FGFA above aggregation without flow": (2, 2.0, "holds"),
        "FGFA above its embedding trained alone": (0, 1.8, "not resolved"),
    }
    assert set(expected) == set(aggregation.STATEMENTS)
    for text, (ours, printed, verdict) in expected.items():
        line = found.loc[text]
        assert (line.difference, line.printed) == pytest.approx((ours, printed)), text
        assert (line.verdict, line.seeds, line.by) == (verdict, 3, "talk")


def test_claims_have_ours_of_these_rows_and_the_others_are_not_run(ablation_rows):
    names = ("aggregation.d.fast", "aggregation-order.flow", "test-frames.2.21", "test-frames.5.21")
    found = {each.claim: each for each in verdicts.findings([claims.find(name) for name in names])}
    assert found["aggregation.d.fast"][1:] == ("films", "in small", "87.0")
    assert found["aggregation-order.flow"].verdict == "holds"
    assert found["aggregation-order.flow"].ours.startswith("2.0 (")
    assert found["aggregation-order.flow"].ours.endswith("3 trainings")
    assert {found[name].verdict for name in names[2:]} == {"not run"}
    assert verdicts.printed(claims.find("aggregation-order.flow")) == "2.0"


def test_seeds_that_a_row_lacks_are_left_out_of_a_statement(results_folder):
    rows = [row(ROWS[FGFA][0], 0.9, 21, seed) for seed in (0, 1)] + [row(ROWS[NO_FLOW][0], 0.8, 21, 1)]
    results.add(results_folder / "evaluation.csv", rows)
    found = aggregation.statements("handheld")
    assert found.statement.tolist() == ["FGFA above aggregation without flow"]
    assert (found.seeds[0], found.difference[0]) == (1, pytest.approx(10))


@pytest.mark.usefixtures("results_folder")
def test_without_rows_there_are_no_statements_and_the_figure_says_what_to_run():
    for setting in ("handheld", "detection"):
        assert aggregation.statements(setting).empty
        assert aggregation.ablation(setting).empty
        assert aggregation.by_frames(setting).empty
    with pytest.raises(DataError, match=r"experiments handheld/fgfa-untrained .* --seeds 0 1 2 --split test"):
        aggregation.figure()


def store_frames(folder):
    """FGFA gains a point with each step of test frames, with 5 in training half as much, in the other order nothing."""
    rows = []
    for step, frames in enumerate(TEST_FRAMES):
        rows += [row("fgfa", 0.9 + 0.01 * step, frames), row("fgfa-5-frames", 0.9 + 0.005 * step, frames)]
        rows.append(row("fgfa", 0.9, frames, first=True))
    # FGFA at 21 frames is in the ablation's rows too.
    results.add(folder / "evaluation.csv", rows)


def test_gains_by_frames_in_testing_are_over_one_frame(results_folder):
    store_frames(results_folder)
    found = aggregation.by_frames("handheld").set_index("row")
    two, five = TRAINED
    assert [found[f"{frames}_gain"][two] for frames in TEST_FRAMES] == pytest.approx(list(range(7)))
    assert [found[f"{frames}_gain"][five] for frames in TEST_FRAMES] == pytest.approx([step / 2 for step in range(7)])
    assert found["25_gain"]["2 frames, embedded first"] == 0
    assert found["21"][two] == pytest.approx(95)
    (finding,) = verdicts.findings([claims.find("test-frames.2.21")])
    assert finding.ours == "95.0"


def test_the_figure_draws_every_row_and_the_printed_gains(ablation_rows):
    store_frames(ablation_rows)
    figure, numbers = aggregation.figure()
    left, right = figure.axes
    assert [each.get_label() for each in left.containers] == list(ROWS)[1:]
    assert [each.get_label() for each in right.containers] == [*TRAINED, "2 frames, embedded first"]
    assert left.lines[-1].get_ydata()[0] == 0
    drawn = [list(line.get_ydata()) for line in (*left.lines, *right.lines) if line.get_markerfacecolor() == "none"]
    assert pytest.approx([2.9, 1.1, 4.2, 6.2]) in drawn
    assert pytest.approx([0, 1.7, 2.2, 2.8, 3.1, 3.4, 3.5]) in drawn
    assert numbers.table.tolist() == ["ablation"] * 5 + ["frames"] * 3


def test_the_plane_has_dff_faster_and_fgfa_slower_than_frame(results_folder):
    store_frames(results_folder)
    rows, speeds = [], []
    for name, durations, gflop in (("frame", [1], 0), ("dff", [1, 10], 1)):
        recipe = find_setting("handheld").recipe(name)
        rows += [stored(recipe.name, 0.9, duration=each, replicates=0.9 + SPREAD) for each in durations]
        times = {"key_ms": 10, "current_ms": 1, "decode_ms": 0, "key_gflop": 10, "current_gflop": gflop, "ratio": 0.1}
        speeds.append(Architecture.of(recipe)._asdict() | times)
    results.add(results_folder / "evaluation.csv", rows)
    results.write_rows(results_folder / "speed.csv", speeds)
    found = aggregation.plane("handheld")
    assert found[found.method == "DFF"].speedup.tolist() == pytest.approx([1, 100 / 19])
    fgfa = found[found.method == "FGFA"]
    assert fgfa.number.tolist() == [frames // 2 for frames in TEST_FRAMES[1:]]
    assert fgfa.speedup.is_monotonic_decreasing
    counted = aggregation.costs("handheld")
    assert fgfa.speedup.iloc[-1] == pytest.approx(1 / counted.ratio(12))
    assert (found.low < found.score).all()
    figure, numbers = aggregation.plane_figure()
    assert [each.get_label() for each in figure.axes[0].containers] == ["FGFA", "DFF", "Frame"]
    assert len(numbers) == 1 + 2 + len(TEST_FRAMES) - 1


def test_seq_nms_is_shown_for_fgfa_too(results_folder):
    rows = [
        stored("handheld/fgfa", value, metric=f"mAP of clips{way}", replicates=value + SPREAD)
        for way, value in (("", 0.9), (", Seq-NMS mean", 0.92), (", Seq-NMS max", 0.9))
    ]
    results.add(results_folder / "clips.csv", rows)
    assert seq_nms("handheld").row.tolist() == ["FGFA", "FGFA, Seq-NMS mean", "FGFA, Seq-NMS max"]
    (finding,) = verdicts.findings([claims.find("aggregation-order.seq-nms-fgfa")])
    assert (finding.verdict, finding.world) == ("holds", "films")
    assert finding.ours.startswith("2.0 (")
    line = all_statements.all_statements("handheld").set_index("statement").loc["Seq-NMS adds to FGFA"]
    assert (line.printed, line.by) == (2.1, "talk")
