"""reproduce.py: lint and tests, pages of the notebooks, the paper's numbers, figures and tables."""

import argparse
import json
import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell
from notebook_writer import write_notebook
from pandas import DataFrame
from places import REPOSITORY

from dffkit.commands import notebooks, reproduce
from dffkit.paper import figures, ledger


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder in place of the repository, where figures are drawn at once, and one has moved."""
    for name in ("root", "own_folder"):
        monkeypatch.setattr(reproduce, name, lambda: tmp_path)
    monkeypatch.setattr(figures, "redraw", lambda folder: [folder / "figure3.svg"])
    folders = tmp_path / "build" / "figures", tmp_path / "figures"
    compared = {folders: ["table4.csv, loss: 1 of 24 moved, by up to 0.2"]}
    monkeypatch.setattr(figures, "moved", lambda *folders: compared[folders])
    return tmp_path


def test_reproduce_makes_the_book_and_prints_the_claims(repository, monkeypatch, capsys):
    pytest.importorskip("sphinx", reason="needs the extra book")
    from dffkit.commands.book import site

    (repository / "notebooks").mkdir()
    write_notebook(repository / "notebooks" / "00_index.ipynb", new_code_cell("1 + 1"))
    rows = [
        {"claim": "1/r", "place": "Table 2", "paper": "9.20", "ours": "9.20", "source": "recomputed"},
        {"claim": "mIoU", "place": "Table 4", "paper": "69.2", "ours": "", "source": "read"},
    ]
    monkeypatch.setattr(ledger, "claims_beside_ours", lambda: DataFrame(rows))
    built = []
    monkeypatch.setattr(site, "build", lambda *arguments: built.append(arguments))
    monkeypatch.setattr(reproduce, "weights_agree", lambda: False)
    assert reproduce.reproduce_main(argparse.Namespace()) == 1, "a shipped weight that does not give its score"
    monkeypatch.setattr(reproduce, "weights_agree", lambda: True)
    assert reproduce.reproduce_main(argparse.Namespace()) == 0
    out = capsys.readouterr().out
    fresh, folder, _ = built[-1]
    assert fresh[repository / "notebooks" / "00_index.ipynb"].cells[0].outputs[0].data["text/plain"] == "2"
    assert folder == repository / "build" / "book"
    assert re.search(r"^1/r +Table 2 +9\.20 +9\.20 +recomputed$", out, re.MULTILINE)
    assert re.search(r"^mIoU +Table 4 +69\.2 +read$", out, re.MULTILINE)
    assert "\n  moved: table4.csv, loss: 1 of 24 moved, by up to 0.2\n" in out


SANITIZER = REPOSITORY / "tests" / "nbval_sanitize.cfg"


# Lint and tests


class Calls(list):
    """Replace `subprocess.run`: keep the calls; a call whose command has the word `failing` fails."""

    failing = ""

    def __call__(self, command, **options):
        self.append((command, options))
        return subprocess.CompletedProcess(command, int(self.failing in command if self.failing else False))


@pytest.fixture
def calls(monkeypatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(reproduce.subprocess, "run", calls)
    return calls


def run_tests(*words: str) -> int:
    return reproduce.test_main(argparse.Namespace(rest=list(words)))


def test_tests_are_one_lint_and_one_pytest_run(calls):
    assert run_tests("-k", "warp") == 0
    (lint, _), (tests, options) = calls
    assert lint[1:] == ["-m", "ruff", "check", "."]
    assert tests[1:] == ["-m", "pytest", "-n", "2", "--dist", "loadfile", "-k", "warp"]
    assert options["env"]["OMP_NUM_THREADS"] == "1"


def test_every_pytest_run_compares_the_notebooks(pytestconfig):
    option = pytestconfig.option
    assert option.nbval
    assert option.nbval_current_env
    assert REPOSITORY / option.nbval_sanitize_with == SANITIZER
    assert option.nbval_cell_timeout == notebooks.CELL_TIMEOUT


def test_a_failed_lint_stops_before_the_tests(calls, capsys):
    calls.failing = "ruff"
    assert run_tests() == 1
    assert len(calls) == 1
    assert "not run" in capsys.readouterr().err


def test_failed_tests_fail_the_command(calls):
    calls.failing = "pytest"
    assert run_tests() == 1


# nbval


def sanitized(text: str) -> str:
    from nbval.plugin import get_sanitize_patterns

    for pattern, replacement in get_sanitize_patterns(SANITIZER.read_text(encoding="utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


def test_every_pattern_of_the_sanitizer_is_read():
    from nbval.plugin import get_sanitize_patterns

    text = SANITIZER.read_text(encoding="utf-8")
    assert len(get_sanitize_patterns(text)) == len(re.findall("^regex: ", text, re.MULTILINE)) == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Warp at 0x7f5c1a2b3c4d>", "<Warp at 0x55aa01020304>"),
        ('<img src="data:image/png;base64,iVBORw0KGgo=">', '<img src="data:image/png;base64,AAAA/+8=">'),
        ("\r  0%|     | 0/3 [00:00<?]\r100%|#####| 3/3 [00:01<00:00]", "\r100%|#####| 3/3 [00:09<00:00]"),
        ("/scratch/ipykernel_12/345.py:3: UserWarning", r"C:\Temp\my folder\ipykernel_6\78.py:3: UserWarning"),
        ("anim" + " 0123456789abcdef" * 2, "anim" + " 0123456789abcdef" * 2),
        ('id="' + "0a" * 16 + '"', 'id="' + "1b" * 16 + '"'),
    ],
)
def test_meaningless_differences_are_sanitized(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize("text", ["1/r = 9.20", "torch.Size([1, 1024, 38, 63])", "71.1% | 69.2%", "0x10", "r = 10.87%"])
def test_what_a_notebook_prints_is_not_sanitized(text):
    assert sanitized(text) == text


def test_the_sanitizer_is_quick_on_long_outputs():
    assert len(sanitized("a/b" * 300_000)) == 900_000


def test_nbval_passes_a_true_notebook_and_fails_a_changed_one(tmp_path):
    cells = [new_code_cell("object()"), new_code_cell("print(round(1 / 0.1087, 2))")]
    path = write_notebook(tmp_path / "00_true.ipynb", *cells)
    notebooks.execute_in_place([path])
    changed = json.loads(path.read_text(encoding="utf-8"))
    changed["cells"][1]["outputs"][0]["text"] = ["9.21\n"]
    (tmp_path / "01_changed.ipynb").write_text(json.dumps(changed), encoding="utf-8")
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZER), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, "-q", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "1 failed, 3 passed" in result.stdout, result.stdout
    assert re.search(r"^FAILED .*01_changed\.ipynb", result.stdout, re.MULTILINE)
