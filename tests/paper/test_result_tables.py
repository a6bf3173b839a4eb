"""result_tables.py: the tables of data/README.md are those of the stored rows."""

import pytest

from dffkit.experiments import results
from dffkit.experiments.runs import Workspace
from dffkit.paper import result_tables
from dffkit.support.errors import DataError
from dffkit.support.repository import root
from dffkit.training.recipes import find


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
    assert result_tables.write_tables(copy).read_text(encoding="utf-8") == readme.read_text(encoding="utf-8")


def test_scores_are_those_of_the_rows():
    heads, *lines = result_tables.scores_on_toytown()
    assert heads[2:] == ["*l* = 1", "2", "5", "10", "20"]
    assert [line[0] for line in lines] == ["segmentation, mIoU"] * 2 + ["detection, mAP@0.5"] * 2
    for line, name in zip(lines, ("frame", "dff") * 2, strict=True):
        scores = stored(find(f"toytown/{line[0].split(',')[0]}/{name}"), "val")
        assert line[2:] == [scores.get(duration, "") for duration in ("1", "2", "5", "10", "20")]


def test_scores_on_real_video_are_those_of_the_rows():
    heads, *lines = result_tables.scores_on_real_video()
    assert heads[2:] == ["*l* = 1", "2", "4", "5", "10"]
    for line, name in zip(lines, ("camvid/frame", "camvid/dff", "pets09/frame", "pets09/dff"), strict=True):
        scores = stored(find(name), "test")
        assert line[2:] == [scores[duration] for duration in ("1", "2", "4", "5", "10")]


def test_ten_times_as_fast_has_the_papers_pair_and_the_best():
    _, papers, best = result_tables.ten_times_as_fast()
    assert papers[0] == "ResNet-101, FlowNet Inception"
    assert papers[-1] == best[-1] == "4.4"


@pytest.mark.parametrize(
    "text", ["", result_tables.BEGIN, f"{result_tables.END}\n{result_tables.BEGIN}", 2 * f"{result_tables.BEGIN}\n"]
)
def test_a_file_without_both_marker_lines_is_an_error_and_stays_as_it_is(tmp_path, text):
    path = tmp_path / "notes.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"notes\.md: expected the lines"):
        result_tables.write_tables(path)
    assert path.read_text(encoding="utf-8") == text


def test_each_training_counts_once_in_the_hours(tmp_path, monkeypatch):
    monkeypatch.setattr(result_tables, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))
    common = {"recipe_hash": "a", "data_version": "d", "threads": 1}
    results.write_rows(tmp_path / "training.csv", [
        {**common, "seed": seed, "metric": metric, "seconds": seconds, "device": device}
        for seed, seconds, device in ((0, 1800, "CPU"), (1, 5400, "CPU"), (2, 60, "GPU")) for metric in ("loss", "mIoU")
    ])  # fmt: skip
    found = result_tables.training_hours().set_index("device")
    assert found.trainings.to_dict() == {"CPU": 2, "GPU": 1}
    assert found.hours.to_dict() == pytest.approx({"CPU": 2, "GPU": 1 / 60})
