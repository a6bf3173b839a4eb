"""reproduce.py: pages of the notebooks, the paper's numbers beside ours, figures and tables."""

import argparse
import re

import pytest
from nbformat.v4 import new_code_cell
from notebook_writer import write_notebook
from pandas import DataFrame

from dffkit.commands import reproduce
from dffkit.paper import figures, ledger


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder in place of the repository, where figures are drawn at once."""
    monkeypatch.setattr(reproduce, "root", lambda: tmp_path)
    monkeypatch.setattr(figures, "regenerate_all", lambda folder: [folder / "figure3.svg"])
    return tmp_path


def test_reproduce_makes_pages_and_prints_the_claims(repository, monkeypatch, capsys):
    (repository / "notebooks").mkdir()
    write_notebook(repository / "notebooks" / "00_index.ipynb", new_code_cell("1 + 1"))
    rows = [
        {"claim": "1/r", "place": "Table 2", "paper": "9.20", "ours": "9.20", "source": "recomputed"},
        {"claim": "mIoU", "place": "Table 4", "paper": "69.2", "ours": "", "source": "read"},
    ]
    monkeypatch.setattr(ledger, "claims_beside_ours", lambda: DataFrame(rows))
    monkeypatch.setattr(reproduce, "weights_agree", lambda: False)
    assert reproduce.reproduce_main(argparse.Namespace()) == 1, "a shipped weight that does not give its score"
    monkeypatch.setattr(reproduce, "weights_agree", lambda: True)
    assert reproduce.reproduce_main(argparse.Namespace()) == 0
    out = capsys.readouterr().out
    assert (repository / "build" / "html" / "00_index.html").is_file()
    assert re.search(r"^1/r +Table 2 +9\.20 +9\.20 +recomputed$", out, re.MULTILINE)
    assert re.search(r"^mIoU +Table 4 +69\.2 +read$", out, re.MULTILINE)


def test_figures_writes_the_tables_too(repository, monkeypatch, capsys):
    monkeypatch.setattr(figures, "write_tables", lambda path: path)
    assert reproduce.figures_main(argparse.Namespace(moving=False)) == 0
    assert capsys.readouterr().out == "2 files written: data/, figures/\n"
