"""README.md: its numbers are the rows of data/results."""

import re

import pytest
from places import REPOSITORY

from dffkit.experiments import results
from dffkit.paper import equal_speed, result_tables
from dffkit.training.recipes import find

ROWS = results.read(REPOSITORY / "data" / "results" / "evaluation.csv")
LINE = re.compile(
    r"\| (?P<task>segmentation|detection), (?P<metric>mIoU|mAP@0\.5) \| (?P<name>Frame|DFF)[^|]* \|(?P<values>.*)\|"
)
DURATIONS = ("1", "2", "5", "10", "20")
REAL_LINE = re.compile(
    r"\| (?P<data>CamVid|PETS09-S2L1), (?P<metric>mIoU|AP@0\.5) \| (?P<name>Frame|DFF)[^|]* \|(?P<values>.*)\|"
)
REAL_DURATIONS = ("1", "2", "4", "5", "10")


def lines(pattern):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return [match.groupdict() for match in map(pattern.match, text.splitlines()) if match]


def stored(recipe, split, metric):
    """Scores as the README writes them, by key frame duration."""
    wanted = {"hash": recipe.hash, "seed": "0", "split": split, "metric": metric, "subset": "all"}
    rows = [row for row in ROWS if all(row[key] == value for key, value in wanted.items())]
    return {row["duration"]: f"{100 * float(row['value']):.1f}" for row in rows}


def test_both_tasks_and_both_methods_are_there():
    found = [(line["task"], line["name"]) for line in lines(LINE)]
    assert found == [(task, name) for task in ("segmentation", "detection") for name in ("Frame", "DFF")]


@pytest.mark.parametrize("line", lines(LINE), ids=lambda line: f"{line['task']}-{line['name']}")
def test_scores_are_those_of_the_rows(line):
    recipe = find(f"toytown/{line['task']}/{line['name'].lower()}")
    scores = stored(recipe, "val", line["metric"].removesuffix("@0.5"))
    assert [value.strip() for value in line["values"].split("|")] == [scores.get(each, "") for each in DURATIONS]


def test_real_video_has_both_methods():
    found = [(line["data"], line["name"]) for line in lines(REAL_LINE)]
    assert found == [(data, name) for data in ("CamVid", "PETS09-S2L1") for name in ("Frame", "DFF")]


@pytest.mark.parametrize("line", lines(REAL_LINE), ids=lambda line: f"{line['data']}-{line['name']}")
def test_scores_on_real_video_are_those_of_the_rows(line):
    recipe = find(f"{line['data'].lower().removesuffix('-s2l1')}/{line['name'].lower()}")
    scores = stored(recipe, "test", "mIoU" if line["metric"] == "mIoU" else "mAP")
    assert [value.strip() for value in line["values"].split("|")] == [scores[each] for each in REAL_DURATIONS]


@pytest.mark.parametrize("line", result_tables.table4(), ids=lambda line: line[0])
def test_table_4_is_that_of_the_stored_rows(line):
    assert f"| {' | '.join(line)} |" in (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()


def test_ten_times_as_fast_costs_what_the_stored_rows_say():
    words = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    counted = equal_speed.ten_times_as_fast("detection").query("speed == 'counted (Eq. 7)'")
    assert len(counted) == 2
    for line in counted.itertuples():
        assert line.pair.replace(", ", " with ") in words
        loss = f"{line.loss:.1f} points ({line.low:.1f} .. {line.high:.1f})"
        assert f"at *l* = {line.duration} and loses {loss} to " in words
        assert f"The paper loses {line.printed:.1f}." in words
