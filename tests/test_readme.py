"""README.md: its numbers are the rows of data/results."""

import re
from pathlib import Path

import pytest

from dffkit.experiments import results
from dffkit.recipes import find

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = results.read(REPOSITORY / "data" / "results" / "evaluation.csv")
LINE = re.compile(
    r"\| (?P<task>segmentation|detection), (?P<metric>mIoU|mAP@0\.5) \| (?P<name>Frame|DFF)[^|]* \|(?P<values>.*)\|"
)
DURATIONS = ("1", "2", "5", "10", "20")


def lines():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return [match.groupdict() for match in map(LINE.match, text.splitlines()) if match]


def test_both_tasks_and_both_methods_are_there():
    found = [(line["task"], line["name"]) for line in lines()]
    assert found == [(task, name) for task in ("segmentation", "detection") for name in ("Frame", "DFF")]


@pytest.mark.parametrize("line", lines(), ids=lambda line: f"{line['task']}-{line['name']}")
def test_scores_are_those_of_the_rows(line):
    wanted = {"hash": find(f"toytown/{line['task']}/{line['name'].lower()}").hash, "seed": "0", "split": "val"}
    wanted |= {"metric": line["metric"].removesuffix("@0.5"), "subset": "all"}
    rows = [row for row in ROWS if all(row[key] == value for key, value in wanted.items())]
    scores = {row["duration"]: f"{100 * float(row['value']):.1f}" for row in rows}
    assert [value.strip() for value in line["values"].split("|")] == [scores.get(each, "") for each in DURATIONS]
