"""figures.py: figures and tables show what is counted and stored, and redrawing changes no byte."""

import numpy as np
import pandas
import pytest
from PIL import Image

from dffkit import complexity
from dffkit.experiments import results
from dffkit.paper import figures, ledger
from dffkit.support.errors import DataError
from dffkit.support.files import root
from dffkit.training.recipes import find


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


def test_the_readmes_speeds_are_the_stored_ones():
    rows = ledger.benchmark().query("precision == 'float32' and task == 'segmentation' and duration == 10")
    assert len(rows) == 6
    readme = " ".join((root() / "data" / "README.md").read_text(encoding="utf-8").split())
    assert f"{100 * rows.of_eq7.min():.0f}–{100 * rows.of_eq7.max():.0f}% of what the paper's Eq. 7 promises" in readme
    first, second, third = rows[rows.features == "ResNet-101"].speedup
    assert f"speedups of {first:.1f}, {second:.1f} and {third:.1f} for the three flow networks" in readme


def stored(recipe, split):
    """Scores of seed 0 on all frames by key frame duration, as text, straight from evaluation.csv."""
    wanted = {"recipe_hash": recipe.hash, "seed": "0", "split": split, "subset": "all"}
    wanted["metric"] = {"segmentation": "mIoU", "detection": "mAP"}[recipe.task]
    rows = results.read_rows(root() / "data" / "results" / "evaluation.csv")
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return {row["duration"]: f"{100 * float(row['value']):.1f}" for row in found}


def test_the_stored_tables_are_the_current_ones(tmp_path):
    """If this fails, run `python -m dffkit figures`."""
    readme = root() / "data" / "README.md"
    copy = tmp_path / "README.md"
    copy.write_bytes(readme.read_bytes())
    assert figures.write_tables(copy).read_text(encoding="utf-8") == readme.read_text(encoding="utf-8")


def test_scores_are_those_of_the_rows():
    heads, *lines = figures.scores_on_toytown()
    assert heads[2:] == ["*l* = 1", "2", "5", "10", "20"]
    assert [line[0] for line in lines] == ["segmentation, mIoU"] * 2 + ["detection, mAP@0.5"] * 2
    for line, name in zip(lines, ("frame", "dff") * 2, strict=True):
        scores = stored(find(f"toytown/{line[0].split(',')[0]}/{name}"), "val")
        assert line[2:] == [scores.get(duration, "") for duration in ("1", "2", "5", "10", "20")]


def test_scores_on_real_video_are_those_of_the_rows():
    heads, *lines = figures.scores_on_real_video()
    assert heads[2:] == ["*l* = 1", "2", "4", "5", "10"]
    for line, name in zip(lines, ("camvid/frame", "camvid/dff", "pets09/frame", "pets09/dff"), strict=True):
        scores = stored(find(name), "test")
        assert line[2:] == [scores[duration] for duration in ("1", "2", "4", "5", "10")]


def test_ten_times_as_fast_has_the_papers_pair_and_the_best():
    _, papers, best = figures.ten_times_as_fast()
    assert papers[0] == "ResNet-101, FlowNet Inception"
    assert papers[-1] == best[-1] == "4.4"


@pytest.mark.parametrize("text", ["", figures.BEGIN, f"{figures.END}\n{figures.BEGIN}", 2 * f"{figures.BEGIN}\n"])
def test_a_file_without_both_marker_lines_is_an_error_and_stays_as_it_is(tmp_path, text):
    path = tmp_path / "notes.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"notes\.md: expected the lines"):
        figures.write_tables(path)
    assert path.read_text(encoding="utf-8") == text
