"""Notebook 99: the map leads from each equation to code, section and test that are there."""

import ast
import dataclasses
import re
from urllib.parse import unquote

import nbformat
import pytest
from places import REPOSITORY

from dffkit.lessons import nb99_recap
from dffkit.paper.claims import find

NOTEBOOKS = REPOSITORY / "notebooks"
MAPPED = nb99_recap.mapped()


def test_every_equation_and_algorithm_1_are_on_the_map():
    assert {f"equations.{name}" for name in (*(f"eq{n}" for n in range(1, 8)), "algorithm1")} <= {e.id for e in MAPPED}
    lines = nb99_recap.equation_map().data.splitlines()
    assert len(lines) == len(MAPPED) + 2
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("claim", MAPPED, ids=lambda claim: claim.id)
def test_the_links_lead_to_the_function_the_section_and_the_test(claim):
    (_, code), (_, section), (_, test) = nb99_recap.links(claim)
    for target in (code, test):
        file, name = target.split("#")
        tree = ast.parse((NOTEBOOKS / file).read_text(encoding="utf-8"))
        assert name in {getattr(node, "name", "") for node in tree.body}
    file, anchor = section.split("#")
    cells = nbformat.read(NOTEBOOKS / file, as_version=4).cells
    headings = re.findall("^## (.+)$", "\n".join(cell.source for cell in cells), re.MULTILINE)
    assert unquote(anchor).replace("-", " ") in [heading.replace("-", " ") for heading in headings]


def test_a_place_that_is_not_there_is_an_error():
    claim = find("equations.eq1")
    with pytest.raises(AttributeError):
        list(nb99_recap.links(dataclasses.replace(claim, code="dffkit.warp:warp_in_loops")))
    with pytest.raises(ValueError, match=r"expected one heading '## 12 \.\.\.' in 02_feature_warping\.ipynb, got \[\]"):
        list(nb99_recap.links(dataclasses.replace(claim, section="02, 12")))
