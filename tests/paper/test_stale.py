"""stale.py: results of former recipes, networks and code are found."""

import dataclasses
import json

import pytest
from stored_scores import stored

from dffkit.experiments import results, speed
from dffkit.experiments.speed import Architecture, Speed
from dffkit.paper import stale
from dffkit.training.recipes import find

TEXT = '''"""Words."""

# A comment.
def double(x):
    """More words."""
    for each in x:
        each *= 2
    return x
'''


@pytest.fixture
def record(tmp_path, monkeypatch):
    """The file of the last check, of a code with one file."""
    monkeypatch.setattr(stale, "_record", lambda: tmp_path / "revalidated.json")
    monkeypatch.setattr(stale, "code", lambda: {"dffkit/warp.py": stale._digest(TEXT)})
    return stale.record_code()


def test_rows_of_a_former_recipe_are_stale_while_there_are_none_of_todays(results_folder):
    row = stored("toytown/segmentation/dff", 0.6, duration=5)
    former = row._replace(measurement=row.measurement._replace(recipe_hash="0"))
    results.add(results_folder / "evaluation.csv", [former])
    (line,) = stale.former_scores()
    assert line.startswith("toytown/segmentation/dff: 1 stored rows, none of today's recipe")
    results.add(results_folder / "evaluation.csv", [row])
    assert stale.former_scores() == []


def test_speeds_of_networks_that_no_recipe_has_are_stale(results_folder):
    recipe = find("toytown/segmentation/dff")
    former = dataclasses.replace(recipe, flow_width=0.5)
    values = dict.fromkeys(Speed._fields, 1)
    rows = [Architecture.of(each)._asdict() | values for each in (recipe, former)]
    results.write_rows(results_folder / speed.TABLE, rows)
    (line,) = stale.former_speeds()
    assert "flow_width=0.5" in line


def test_code_is_stale_until_it_is_checked_again(record, monkeypatch):
    assert stale.changed_code() == []
    monkeypatch.setattr(stale, "code", lambda: {"dffkit/warp.py": "0", "dffkit/new.py": "1"})
    (line,) = stale.changed_code()
    assert "dffkit/new.py, dffkit/warp.py" in line
    assert json.loads(record.read_text())["commit"] in line
    stale.record_code()
    assert stale.changed_code() == []
    record.unlink()
    assert "since any check" in stale.changed_code()[0]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Words.", "Other words.\n\nOf two paragraphs.", True),
        ("# A comment.", "# Two\n# lines.", True),
        ("More words.", "None.", True),
        ("each *= 2", "each *= 3", False),
        ("    return x", "        return x", False),
    ],
)
def test_words_do_not_change_code(old, new, same):
    assert (stale._digest(TEXT) == stale._digest(TEXT.replace(old, new))) is same


def test_the_record_is_of_files_that_are_there():
    found = stale.code()
    assert {"dffkit/warp.py", "dffkit/networks/flow.py", "dffkit/scores/detection.py"} <= found.keys()
    assert all(list((stale.root() / "dffkit").glob(pattern)) for pattern in stale.CODE)
