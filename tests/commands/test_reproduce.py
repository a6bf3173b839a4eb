"""`reproduce`: pages of the notebooks, and the paper's numbers beside ours."""

import re

from nbformat.v4 import new_code_cell
from notebook_writer import write_notebook
from pandas import DataFrame


def test_reproduce_makes_pages_and_prints_the_claims(tmp_path, monkeypatch, capsys):
    from dffkit.commands import reproduce
    from dffkit.paper import claims as paper_claims
    from dffkit.paper import figures

    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "00_index.ipynb", new_code_cell("1 + 1"))
    claims = [
        {"claim": "1/r", "place": "Table 2", "paper": "9.20", "ours": "9.20", "source": "recomputed"},
        {"claim": "mIoU", "place": "Table 4", "paper": "69.2", "ours": "", "source": "read"},
    ]
    monkeypatch.setattr(reproduce, "root", lambda: tmp_path)
    monkeypatch.setattr(figures, "regenerate_all", lambda folder: [folder / "fig3.svg"])
    monkeypatch.setattr(paper_claims, "table", lambda: DataFrame(claims))
    monkeypatch.setattr(reproduce, "weights_agree", lambda: False)
    assert reproduce.reproduce_main(None) == 1, "a shipped weight that does not give its score"
    monkeypatch.setattr(reproduce, "weights_agree", lambda: True)
    assert reproduce.reproduce_main(None) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "build" / "html" / "00_index.html").is_file()
    assert re.search(r"^1/r +Table 2 +9\.20 +9\.20 +recomputed$", out, re.MULTILINE)
    assert re.search(r"^mIoU +Table 4 +69\.2 +read$", out, re.MULTILINE)
