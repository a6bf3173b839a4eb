"""The commands `figures` and `table`."""

import io

import pandas
import pytest

from dffkit.commands import cli
from dffkit.commands import figures as commands
from dffkit.paper import figures, tables
from dffkit.paper.settings import SETTINGS
from dffkit.support.files import root


@pytest.fixture
def calls(monkeypatch):
    """Arguments of the calls that draw."""
    calls = []
    monkeypatch.setattr(figures, "redraw", lambda *arguments: calls.append(arguments) or [arguments[0] / "a.svg"])
    monkeypatch.setattr(figures, "write_tables", lambda path, tables=None: path)
    return calls


def test_all_figures_are_written_with_the_tables(calls, capsys):
    assert cli.main(["figures"]) == 0
    assert calls == [(root() / "figures", None, None)]
    assert capsys.readouterr().out == "4 files written: README.md, data/, figures/, weights/\n"


def test_some_figures_go_where_one_wants_them(calls, tmp_path, capsys):
    assert cli.main(["figures", "table4", "figure3", "--out", str(tmp_path)]) == 0
    assert calls == [(tmp_path, ["table4", "figure3"], None)]
    assert capsys.readouterr().out.startswith("1 files written: ")


def test_a_readers_rows_never_replace_stored_figures(calls, tmp_path):
    (tmp_path / "evaluation.csv").touch()
    assert cli.main(["figures", "--results", str(tmp_path)]) == 0
    assert calls == [(root() / "build" / "figures", figures.BESIDE, tmp_path.resolve())]


def test_unknown_figures_and_folders_without_rows_are_named(tmp_path, capsys):
    assert cli.main(["figures", "table4", "figure9"]) == 1
    assert "figure9: no such figure; expected some of figure1, figure2" in capsys.readouterr().err
    assert cli.main(["figures", "--results", str(tmp_path)]) == 1
    assert f"--results {tmp_path}: has no evaluation.csv" in capsys.readouterr().err


def test_choices_are_those_of_the_tables():
    assert tuple(tables.TABLES) == commands.TABLES
    assert set(commands.SETTINGS) == set(SETTINGS)


def printed(capsys, *words):
    assert cli.main(["table", *words]) == 0
    return capsys.readouterr().out


def test_a_table_has_the_printed_values_beside_ours_in_every_format(capsys):
    numbers = pandas.read_csv(io.StringIO(printed(capsys, "table5", "--setting", "detection", "--format", "csv")))
    stored = pandas.read_csv(root() / "figures" / "table5.csv").query("task == 'detection'").reset_index(drop=True)
    pandas.testing.assert_frame_equal(numbers, stored[list(numbers)])
    assert numbers.paper.tolist() == [73.2, 73.3, 73.2, 73.1, 72.7]
    first = ["21", f"{numbers.score[0]:.4g}", "73.2"]
    assert printed(capsys, "table5", "--setting", "detection").splitlines()[1].split()[:3] == first
    markdown = printed(capsys, "table5", "--setting", "detection", "--format", "markdown").splitlines()
    assert markdown[1].startswith("| --- | --- |")
    assert markdown[2].startswith(f"| {' | '.join(first)} |")
    latex = printed(capsys, "table5", "--setting", "detection", "--format", "latex")
    assert f"\n{' & '.join(first)} & " in latex
    assert r"paper\_fps" in latex


@pytest.mark.parametrize("name", commands.TABLES)
@pytest.mark.parametrize("setting", ["segmentation", "detection"])
def test_every_table_is_printed(capsys, name, setting):
    numbers = pandas.read_csv(io.StringIO(printed(capsys, name, "--setting", setting, "--format", "csv")))
    assert len(numbers) > 4
    assert {"paper", "in the paper", "by"} & set(numbers)


def test_statements_have_verdicts(capsys):
    numbers = pandas.read_csv(io.StringIO(printed(capsys, "statements", "--format", "csv")))
    assert set(numbers.verdict) == {"holds", "does not hold", "not resolved", "not reached"}
    assert set(numbers.by) == {"paper", "kit"}


def test_a_table_without_rows_says_what_to_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("dffkit.paper.ledger.folder", lambda: tmp_path)
    assert cli.main(["table", "table4", "--setting", "handheld"]) == 1
    assert "experiments handheld/frame handheld/dff --split test" in capsys.readouterr().err
