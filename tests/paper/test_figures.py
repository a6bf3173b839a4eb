"""figures.py: figures and tables show what is counted and stored, and redrawing changes no byte."""

import re
import shutil

import numpy as np
import pandas
import pytest
from PIL import Image

from dffkit import complexity
from dffkit.experiments import results
from dffkit.experiments.runs import stored_scores
from dffkit.paper import figures, ledger
from dffkit.support.errors import DataError
from dffkit.support.files import root
from dffkit.training.recipes import find


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    return folder, figures.redraw(folder)


def test_each_figure_is_written_as_png_svg_and_csv(drawn):
    folder, files = drawn
    expected = {f"{name}.{kind}" for name in figures.FIGURES for kind in ("png", "svg", "csv")}
    assert {path.name for path in files} == {path.name for path in folder.iterdir()} == expected


def test_redrawing_changes_no_byte(drawn, tmp_path):
    _, files = drawn
    for path in figures.redraw(tmp_path):
        assert path.read_bytes() == next(old for old in files if old.name == path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", figures.FIGURES)
def test_pictures_are_not_blank_and_nothing_touches_the_edge(drawn, name):
    folder, _ = drawn
    picture = np.asarray(Image.open(folder / f"{name}.png").convert("L"))
    assert (picture < 128).mean() > 0.003
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge > 250).all(), "something is cut off"


STORED = root() / "figures"


def blocks(path, side=16):
    """Grey levels of a picture, averaged over squares: antialiasing and hinting of letters hardly change them."""
    picture = Image.open(path).convert("L")
    size = (picture.width // side, picture.height // side)
    return np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=float)


ALIKE = 45  # grey levels; Matplotlib 3.10.0 differs from 3.11.2 by up to 28, and the marker below by 74


@pytest.mark.parametrize("name", ["table5", "fix_n"])
def test_redrawn_pictures_look_like_the_stored_ones(drawn, name):
    """If this fails, run `python -m dffkit figures`."""
    assert np.abs(blocks(drawn[0] / f"{name}.png") - blocks(STORED / f"{name}.png")).max() < ALIKE


def test_a_moved_marker_is_seen(drawn, tmp_path, monkeypatch):
    place, shows, make = figures.FIGURES["table5"]

    def moved():
        figure, numbers = make()
        line = figure.axes[0].lines[0]
        line.set_ydata([*line.get_ydata()[:-1], line.get_ydata()[-1] + 0.2])
        return figure, numbers

    monkeypatch.setitem(figures.FIGURES, "table5", (place, shows, lambda results: moved()))
    figures.redraw(tmp_path, ["table5"])
    assert np.abs(blocks(tmp_path / "table5.png") - blocks(drawn[0] / "table5.png")).max() > ALIKE


def test_stored_numbers_are_the_redrawn_ones(drawn):
    """If this fails, run `python -m dffkit figures`."""
    assert figures.moved(drawn[0], STORED) == []


def test_moved_numbers_are_named_with_their_sizes(drawn, tmp_path):
    for path in drawn[0].glob("*.csv"):
        shutil.copy(path, tmp_path)

    def plant(name, change):
        table = pandas.read_csv(drawn[0] / f"{name}.csv")
        change(table).to_csv(tmp_path / f"{name}.csv", index=False)

    plant("table4", lambda table: table.assign(loss=table.loss + 0.25, score=table.score + 1e-9))
    plant("table5", lambda table: table.assign(fps=table.fps.where(table.index > 0)))
    plant("figure1", lambda table: table.assign(value=table.value + 0.001))  # a digit of a network's outputs
    plant("table2", lambda table: table.assign(flow="none"))
    plant("figure3", lambda table: table[1:])
    assert [re.sub(" of name, .*", "", line) for line in figures.moved(tmp_path, drawn[0])] == [
        "table2.csv, flow: 6 of 6 moved",
        "table4.csv, loss: 36 of 36 moved, by up to 0.25",
        "table5.csv, fps: 1 of 15 moved, by up to inf",
        "figure3.csv: 314 rows",
    ]


def source(path):
    with Image.open(path) as picture:
        return picture.info["Source"]


def test_pictures_say_where_their_numbers_come_from(drawn):
    def sources(name):
        text = source(drawn[0] / f"{name}.png")
        assert f"<dc:source>{text}</dc:source>" in (drawn[0] / f"{name}.svg").read_text(encoding="utf-8")
        return text

    (dff,) = [line for line in sources("table4").splitlines() if "segmentation/dff, test" in line]
    wanted = {"recipe_hash": find("toytown/segmentation/dff").hash, "split": "test"}
    rows = results.read_rows(root() / "data" / "results" / "evaluation.csv")
    rows = [row for row in rows if wanted.items() <= row.items()]
    assert dff.startswith("data/results/evaluation.csv: ")
    assert f"recipe_hash {rows[0]['recipe_hash']}; seed 0, 1, 2; " in dff
    assert all(row["commit"] in dff and row["device"] in dff for row in rows)
    assert "dff-50" not in sources("table5"), "a row that the figure does not show"
    assert "benchmark.csv: all measurements" in sources("figure3")
    assert "manifest.json: toytown/segmentation/dff; recipe_hash cc3e60904fa1; seed 0; commit " in sources("figure1")
    assert sources("table2") == "computed from the networks and definitions in the code, without stored rows"


def test_the_list_of_figures_is_the_current_one(drawn):
    """If this fails, run `python -m dffkit figures`."""
    text = (STORED / "README.md").read_text(encoding="utf-8")
    without_seconds = [re.sub(r"\| \d+ \|$", "|", line) for line in text.splitlines()]
    for line in figures.overview(dict.fromkeys(figures.FIGURES, 1.0)).splitlines():
        assert re.sub(r"\| \d+ \|$", "|", line) in without_seconds
    assert text.count("python -m dffkit figures ") - text.count("figures -->") == len(figures.FIGURES) + 2


# A reader's rows


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Rows of a reader who has trained three recipes with fewer iterations, half as good as ours."""
    folder, kit = tmp_path_factory.mktemp("results"), root() / "data" / "results"
    recipes = [find(f"toytown/segmentation/{name}") for name in ("dff", "split-5", "dff-inception")]
    rows = []
    for _, row in stored_scores(kit / "evaluation.csv", dict(enumerate(recipes)), "test"):
        if row.measurement.seed == 0:
            replicates = results.read_replicates(kit, row)
            own = row.measurement._replace(recipe_hash=row.measurement.recipe_hash[::-1])
            halves = None if replicates is None else replicates / 2
            rows.append(row._replace(measurement=own, value=row.value / 2, replicates=halves))
    results.add(folder / "evaluation.csv", rows)
    return folder


@pytest.mark.parametrize("name", figures.BESIDE)
def test_a_readers_rows_are_drawn_beside_ours(drawn, readers, tmp_path, name):
    figures.redraw(tmp_path, [name], readers)
    table, ours = (pandas.read_csv(folder / f"{name}.csv") for folder in (tmp_path, drawn[0]))
    pandas.testing.assert_frame_equal(table[table.rows == "ours"], ours)
    yours = table[table.rows == "yours"].reset_index(drop=True)
    shared = [column for column in ("row", "layers", "name", "duration", "task") if column in table]
    same = yours.merge(ours, on=shared, suffixes=("", "_ours"))
    assert len(same) == len(yours) > 0
    assert set(yours.task) == {"segmentation"}
    if name != "table4":  # which is a mean over seeds
        assert same.score.tolist() == pytest.approx(same.score_ours / 2)
    assert "your rows" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    assert str(readers / "evaluation.csv") in source(tmp_path / f"{name}.png")


def test_other_figures_are_drawn_with_a_readers_rows_alone_or_not_at_all(readers, tmp_path):
    figures.redraw(tmp_path, ["flow_quality"], readers)
    assert set(pandas.read_csv(tmp_path / "flow_quality.csv").row) == {"DFF"}
    assert f"only the rows of {readers}" in (tmp_path / "flow_quality.svg").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="has no rows that table2 shows; draw it without --results"):
        figures.redraw(tmp_path, ["table2"], readers)
    with pytest.raises(DataError, match=r"expected stored results of segmentation or detection, got none"):
        figures.redraw(tmp_path, ["sparse_labels"], readers)


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
    for readme, tables in ((root() / "data" / "README.md", None), (root() / "README.md", figures.headline())):
        copy = tmp_path / "README.md"
        copy.write_bytes(readme.read_bytes())
        assert figures.write_tables(copy, tables).read_text(encoding="utf-8") == readme.read_text(encoding="utf-8")


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
