"""Model cards: one for each shipped model, current, with the stored scores."""

import re

import numpy as np
import pytest

from dffkit import weights
from dffkit.experiments import results
from dffkit.paper import cards, figures, ledger
from dffkit.support.files import root
from dffkit.training.recipes import find

STORED = root() / "data" / "weights" / "README.md"


def test_the_stored_cards_are_the_current_ones(tmp_path):
    """If this fails, run `python -m dffkit figures`."""
    copy = tmp_path / "README.md"
    copy.write_bytes(STORED.read_bytes())
    assert figures.write_tables(copy, cards.markdown()).read_text(encoding="utf-8") == STORED.read_text(
        encoding="utf-8"
    )


def test_each_line_of_the_table_leads_to_a_card_of_a_few_lines():
    text = STORED.read_text(encoding="utf-8")
    table, *found = re.split(r"^### ", text, flags=re.MULTILINE)
    names = [card.splitlines()[0] for card in found]
    assert names == weights.names()
    # GitHub's anchor of a heading is its text in lower case without slashes.
    assert re.findall(r"^\| \[(.*?)\]\(#(.*?)\)", table, re.MULTILINE) == [
        (each, each.replace("/", "")) for each in names
    ]
    for name, card in zip(names, found, strict=True):
        assert f'`dffkit.weights.load("{name}")`' in card
        assert f"`python -m dffkit train {name}`" in card
        assert len(card.split("<!--")[0].strip().splitlines()) <= 8


def card(name):
    return cards.markdown().split(f"\n### {name}\n")[1].split("\n### ")[0]


def test_scores_are_those_of_the_rows():
    recipe = find("toytown/detection/frame")
    wanted = recipe.hash, "test", "mAP", "all", 10
    rows = [
        row
        for row in results.read(ledger.folder() / results.EVALUATION)
        if (row.measurement.recipe_hash, row.measurement.split, row.metric, row.subset, row.duration) == wanted
    ]
    mean, own = np.mean([row.value for row in rows]), next(row.value for row in rows if row.measurement.seed == 0)
    (found,) = re.findall(
        r"([\d.]+)% \(([\d.]+) to ([\d.]+)\) at \*l\* = 10; means of (\d) trainings", card(recipe.name)
    )
    assert found[0] == f"{100 * mean:.1f}"
    assert float(found[1]) < 100 * mean < float(found[2])
    assert int(found[3]) == len(rows)
    assert f"and {100 * own:.1f}%." in card(recipe.name)


def test_without_rows_on_test_the_manifests_scores_on_val_are_shown():
    scores = weights.models()["toytown/flow"]["scores"]
    assert f"on val: EPE {scores['EPE sprites all']:.1f} pixels on sprites, EPE" in card("toytown/flow")


@pytest.mark.parametrize("name", ["camvid/dff", "pets09/frame"])
def test_a_single_video_has_no_interval(name):
    assert re.search(r"on test: [^()]*; one training, and no interval, as this is one video\.", card(name))
