"""The figures: what they show equals what is counted, and redrawing changes no byte."""

import numpy as np
import pandas
import pytest
from PIL import Image

from dffkit import complexity
from dffkit.paper import claims, figures
from dffkit.support.repository import root


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, figures.regenerate_all(folder)


def test_each_figure_is_written_as_png_svg_and_csv(drawn):
    folder, files = drawn
    expected = {f"{name}.{kind}" for name in figures.FIGURES for kind in ("png", "svg", "csv")}
    assert {path.name for path in files} == {path.name for path in folder.iterdir()} == expected


def test_redrawing_changes_no_byte(drawn, tmp_path):
    _, files = drawn
    for path in figures.regenerate_all(tmp_path):
        assert path.read_bytes() == next(old for old in files if old.name == path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", figures.FIGURES)
def test_pictures_are_not_blank_and_nothing_touches_the_edge(drawn, name):
    folder, _ = drawn
    picture = np.asarray(Image.open(folder / f"{name}.png").convert("L"))
    assert (picture < 128).mean() > 0.003
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge > 250).all(), "something is cut off"


def test_table_2_shows_the_counted_and_the_printed_numbers(drawn):
    numbers = pandas.read_csv(drawn[0] / "table2.csv")
    assert numbers.inverse.tolist() == complexity.table2().inverse.tolist()
    assert numbers.paper.tolist() == [9.20, 33.56, 68.97, 12.71, 46.30, 95.24]
    assert numbers.by_construction.tolist() == [False, False, True] * 2


def test_equation_7_shows_the_equation(drawn):
    numbers = pandas.read_csv(drawn[0] / "equation7.csv")
    assert len(numbers) == 6 * 20
    for row in numbers.itertuples():
        assert row.speedup == pytest.approx(complexity.speedup(row.duration, row.ratio), abs=1e-4)


def test_figure_2_shows_the_shapes_and_costs_of_the_networks(drawn):
    numbers = pandas.read_csv(drawn[0] / "figure2.csv").set_index("part")
    assert numbers["shape"].to_dict() == {
        "frame": "3 × 600 × 1000",
        "half frame": "3 × 300 × 500",
        "features": "1024 × 38 × 63",
        "flow field": "2 × 38 × 63",
        "scale field": "1024 × 38 × 63",
        "propagated": "1024 × 38 × 63",
        "score maps": "19 × 38 × 63",
    }
    assert numbers.gmac["features"] == pytest.approx(164.010, abs=5e-4)
    assert numbers.gmac["flow field"] == pytest.approx(12.902, abs=5e-4)


def test_every_claim_has_our_number_and_its_source():
    table = claims.table()
    assert list(table.columns) == ["claim", "place", "paper", "ours", "source"]
    assert set(table.source) == {"recomputed", "read"}
    table2 = table[table.place == "Table 2"]
    assert table2.paper.tolist() == table2.ours.tolist()
    assert (table.ours != "nan").all()


def test_claims_by_construction_are_marked():
    inception = [entry["claim"] for entry in claims.ledger() if "FlowNet Inception" in entry["of"]]
    assert len(inception) == 2
    assert all("by construction" in claim for claim in inception)


def test_stored_measurements_name_their_machine_and_run():
    rows = claims.benchmark()
    for column in ("device", "threads", "torch", "commit", "date", "seed", "height", "width", "duration", "look_ahead"):
        assert rows[column].notna().all(), column
    assert not rows.commit.str.endswith("+").any(), "measured on code that was never committed"


def test_the_readmes_speeds_are_the_stored_ones():
    rows = claims.benchmark().query("precision == 'float32' and task == 'segmentation' and duration == 10")
    assert len(rows) == 6
    readme = " ".join((root() / "data" / "README.md").read_text(encoding="utf-8").split())
    assert f"{100 * rows.of_eq7.min():.0f}–{100 * rows.of_eq7.max():.0f}% of what the paper's Eq. 7 promises" in readme
    first, second, third = rows[rows.features == "ResNet-101"].speedup
    assert f"speedups of {first:.1f}, {second:.1f} and {third:.1f} for the three flow networks" in readme
