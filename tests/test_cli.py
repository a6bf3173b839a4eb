"""The command line: help, messages, and what the commands hand on to Jupyter, nbval and nbclient."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pandas import DataFrame

from dffkit import cli, lab, notebooks, repository, selftest

SANITIZER = Path(__file__).with_name("nbval_sanitize.cfg")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Call the command line in this process; return its exit status, its output and its complaints."""
    try:
        status = cli.main(list(arguments))
    except SystemExit as end:  # argparse ends --help and its own errors this way
        status = end.code
    return status, *capsys.readouterr()


def write_notebook(path: Path, *cells) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


# Help and messages


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"examples:\n  python -m dffkit {command}" in out


def test_without_a_command_the_help_is_shown(capsys):
    status, out, _ = run(capsys)
    assert status == 0
    assert all(re.search(rf"^    {command}\s", out, re.MULTILINE) for command in cli.COMMANDS)


def test_help_loads_none_of_the_extras():
    code = (
        "import sys, runpy; sys.argv[1:] = ['--help']\n"
        "try: runpy.run_module('dffkit', run_name='__main__')\n"
        "except SystemExit: print('loaded', *sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=repository.root(), capture_output=True, text=True, check=True)
    loaded = result.stderr.partition("loaded ")[2].split()
    assert "dffkit.cli" in loaded
    assert not {"jupyterlab", "nbclient", "nbconvert", "matplotlib", "pandas", "pytest"} & set(loaded)


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"dffkit \d+\.\d+\.\d+\n", out)


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    status, _, err = run(capsys, "reprodcue")
    assert status == 2
    assert "reprodcue" in err
    assert "reproduce" in err


def test_only_test_takes_further_arguments(capsys, monkeypatch):
    assert run(capsys, "figures", "-k", "warp")[0] == 2
    handed_on = []
    monkeypatch.setattr(selftest, "run_tests", lambda arguments: handed_on.extend(arguments) or 0)
    assert run(capsys, "test", "-k", "warp", "tests/test_cli.py", "-x")[0] == 0
    assert handed_on == ["-k", "warp", "tests/test_cli.py", "-x"]


@pytest.mark.parametrize("command", [name for name, command in cli.COMMANDS.items() if command.modules])
def test_a_missing_extra_is_named_with_its_pip_command(capsys, monkeypatch, command):
    absent = cli.COMMANDS[command].modules[0]
    monkeypatch.setattr(repository, "find_spec", lambda module: None if module == absent else object())
    status, _, err = run(capsys, command)
    assert status == 1
    assert f"not installed: {absent}.\n" in err
    assert f'-m pip install -e ".[{cli.COMMANDS[command].extra}]"' in err


def test_a_package_without_its_repository_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(repository, "__file__", str(tmp_path / "dffkit" / "repository.py"))
    status, _, err = run(capsys, "notebooks")
    assert status == 1
    assert "Clone the repository" in err


# test


class Calls(list):
    """Stands for `subprocess.run`: keeps the calls, and lets the one whose command names `failing` fail."""

    failing = ""

    def __call__(self, command, **options):
        self.append((command, options))
        return subprocess.CompletedProcess(command, int(self.failing in command if self.failing else False))


@pytest.fixture
def calls(monkeypatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(selftest.subprocess, "run", calls)
    return calls


def test_tests_are_one_lint_and_one_pytest_run(calls):
    assert selftest.run_tests(["-k", "warp"]) == 0
    (lint, _), (tests, options) = calls
    assert lint[1:] == ["-m", "ruff", "check", "."]
    assert tests[1:3] == ["-m", "pytest"]
    assert {"--nbval", "--nbval-current-env", "loadfile"} <= set(tests)
    assert tests[-2:] == ["-k", "warp"]
    assert options["env"]["OMP_NUM_THREADS"] == "1"


def test_a_failed_lint_stops_before_the_tests(calls, capsys):
    calls.failing = "ruff"
    assert selftest.run_tests([]) == 1
    assert len(calls) == 1
    assert "not run" in capsys.readouterr().err


def test_failed_tests_fail_the_command(calls):
    calls.failing = "pytest"
    assert selftest.run_tests([]) == 1


# lab


def test_lab_is_reachable_from_this_machine_only_and_keeps_its_token(tmp_path):
    arguments = lab.lab_arguments(tmp_path, port=9000, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in arguments
    assert "--ServerApp.port=9000" in arguments
    assert "--ServerApp.open_browser=False" in arguments
    assert "--LabApp.default_url=/lab/tree/notebooks/00_index.ipynb" in arguments
    assert not [a for a in arguments if re.search("token|password|authenticat|xsrf|origin|remote", a, re.IGNORECASE)]


def test_lab_asks_nothing_about_news_and_keeps_the_readers_own_settings(monkeypatch, tmp_path):
    from jupyterlab_server.config import get_static_page_config

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.config_path())
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    assert get_static_page_config(level="all")["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"]


def test_jupyter_understands_every_argument_of_lab(tmp_path):
    from jupyter_server.serverapp import ServerApp
    from jupyterlab.labapp import LabApp

    for argument in lab.lab_arguments(tmp_path, port=9000, browser=True):
        owner, trait = re.fullmatch(r"--(\w+)\.(\w+)=.+", argument).groups()
        assert {"ServerApp": ServerApp, "LabApp": LabApp}[owner].class_traits(config=True)[trait]


# notebooks


def test_notebooks_are_found_in_order_and_by_number(tmp_path):
    for name in ("02_b.ipynb", "00_a.ipynb", "notes.ipynb", "04_c.ipynb"):
        write_notebook(tmp_path / name)
    assert [path.name for path in notebooks.find(tmp_path)] == ["00_a.ipynb", "02_b.ipynb", "04_c.ipynb"]
    assert [path.name for path in notebooks.find(tmp_path, ("04",))] == ["04_c.ipynb"]
    with pytest.raises(repository.CommandError, match="No notebook 07 in"):
        notebooks.find(tmp_path, ("04", "07"))


def test_a_notebook_is_stored_whole_and_the_same_each_time(tmp_path):
    code = "import os, sys\nprint(os.path.basename(os.getcwd()), sys.executable == EXECUTABLE)"
    path = write_notebook(
        tmp_path / "00_a.ipynb",
        new_markdown_cell("# A"),
        new_code_cell(f"EXECUTABLE = {sys.executable!r}", metadata={"scrolled": True, "tags": ["kept"]}),
        new_code_cell(code),
        new_code_cell(code),
    )
    notebooks.execute_in_place([path])
    first = path.read_text(encoding="utf-8")
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[2].outputs[0].text == f"{tmp_path.name} True\n"
    assert notebook.cells[1].metadata == {"tags": ["kept"]}
    assert notebook.metadata == notebooks.METADATA
    assert len({cell.id for cell in notebook.cells}) == 4
    notebooks.execute_in_place([path])
    assert path.read_text(encoding="utf-8") == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["00_a.ipynb"]


def test_a_failing_cell_is_named_with_source_and_traceback(tmp_path):
    path = write_notebook(
        tmp_path / "02_broken.ipynb",
        new_markdown_cell("# Broken"),
        new_code_cell("frames = 3"),
        new_code_cell("print('so far')\nframes / 0  # no flow"),
        new_code_cell("never = 'run'"),
    )
    before = path.read_bytes()
    with pytest.raises(notebooks.NotebookError) as caught:
        notebooks.execute_in_place([path])
    message = str(caught.value)
    assert message.startswith("02_broken.ipynb, cell In [2] failed:\n")
    assert "frames / 0  # no flow" in message
    assert "ZeroDivisionError" in message
    assert "\x1b" not in message
    assert path.read_bytes() == before


def test_a_cell_that_takes_too_long_is_named(tmp_path):
    path = write_notebook(tmp_path / "03_slow.ipynb", new_code_cell("while True: pass"))
    with pytest.raises(notebooks.NotebookError, match=r"^03_slow\.ipynb, cell In \[1\] failed(?s:.)*1 seconds"):
        notebooks.execute(path, cell_timeout=1)


def test_html_shows_fallbacks_and_needs_no_other_file(tmp_path):
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    view = {"model_id": "0" * 32, "version_major": 2, "version_minor": 0}
    with_fallback = {notebooks.WIDGET_VIEW: view, "text/plain": "VBox(children=())", "image/png": picture}
    without = {notebooks.WIDGET_VIEW: view, "text/plain": "IntSlider(value=3)"}
    cell = new_code_cell("slider", outputs=[new_output("display_data", data=data) for data in (with_fallback, without)])
    notebook = new_notebook(cells=[new_markdown_cell("[next](04_complexity.ipynb#sizes)"), cell])
    page = tmp_path / "html" / "02_a.html"
    notebooks.export_html(notebook, page, folder=tmp_path)
    html = page.read_text(encoding="utf-8")
    assert 'href="04_complexity.html#sizes"' in html
    assert picture in html
    assert "IntSlider(value=3)" not in html
    assert "0" * 32 not in html
    assert [entry.name for entry in page.parent.iterdir()] == ["02_a.html"]
    assert len(cell.outputs[1].data) == 2  # the notebook itself stays as it was


# reproduce


def test_reproduce_makes_pages_and_prints_the_claims(tmp_path, monkeypatch, capsys):
    from dffkit import reproduce

    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "00_index.ipynb", new_code_cell("1 + 1"))
    claims = [
        {"claim": "1/r", "place": "Table 2", "paper": "9.20", "ours": "9.20", "source": "recomputed"},
        {"claim": "mIoU", "place": "Table 4", "paper": "69.2", "ours": "", "source": "read"},
    ]
    monkeypatch.setattr(reproduce, "root", lambda: tmp_path)
    monkeypatch.setattr(reproduce.figures, "regenerate_all", lambda folder: [folder / "fig3.svg"])
    monkeypatch.setattr(reproduce.claims, "table", lambda: DataFrame(claims))
    monkeypatch.setattr(reproduce, "weights_agree", lambda: False)
    assert reproduce.reproduce() == 1, "a shipped weight that does not give its score"
    monkeypatch.setattr(reproduce, "weights_agree", lambda: True)
    assert reproduce.reproduce() == 0
    out = capsys.readouterr().out
    assert (tmp_path / "build" / "html" / "00_index.html").is_file()
    assert re.search(r"^1/r +Table 2 +9\.20 +9\.20 +recomputed$", out, re.MULTILINE)
    assert re.search(r"^mIoU +Table 4 +69\.2 +read$", out, re.MULTILINE)


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
def test_what_differs_without_meaning_is_sanitized(one, other):
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
