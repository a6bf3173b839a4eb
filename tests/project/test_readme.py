"""README.md, data/README.md and the model cards: their code runs, and their commands, links and paths exist."""

import re
import shlex

import nbformat
import pytest
from places import REPOSITORY

from dffkit.commands.cli import build_parser
from dffkit.support.files import find_notebooks

NAMES = "README.md", "data/README.md", "data/weights/README.md"
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in NAMES}


def test_the_readme_fits_one_screen():
    assert TEXTS["README.md"].count("\n") <= 150


def test_the_examples_run(capsys):
    examples = [code for text in TEXTS.values() for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    assert len(examples) == 4
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{i} {i % 3 == 0} (96, 192)" for i in range(6)]


@pytest.mark.parametrize("name", TEXTS)
def test_the_commands_are_understood(name):
    commands = re.findall(r"-m dffkit ([a-z][^`#\n]*?)(?: -->|[`#\n])", TEXTS[name])
    assert commands
    for words in map(shlex.split, commands):
        assert build_parser(words[0]).parse_args(words).command == words[0]


@pytest.mark.parametrize("name", TEXTS)
def test_the_links_lead_to_files(name):
    links = re.findall(r"\]\(([^)\s]+)\)", TEXTS[name])
    assert links
    for link in links:
        assert link.startswith(("https://", "#")) or ((REPOSITORY / name).parent / link).exists(), link
    for path in re.findall(r"`(dffkit/[\w/]+(?:\.py)?)`", TEXTS[name]):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("name", [*TEXTS, "notebooks"])
def test_no_score_is_a_mail_address(name):
    """Tell "mAP@0.5" in Markdown, which JupyterLab turns into a link that writes a mail."""
    notebooks = (nbformat.read(path, as_version=4).cells for path in find_notebooks(REPOSITORY / "notebooks"))
    cells = [cell.source for each in notebooks for cell in each if cell.cell_type == "markdown"]
    text = re.sub(r"```.*?```|`[^`\n]*`", "", TEXTS.get(name) or "\n".join(cells), flags=re.DOTALL)
    assert not re.findall(r"[\w.+-]+@\w+\.\w+", text)


def test_the_map_names_what_is_there():
    (tree,) = re.findall(r"## Map\n\n```\n(.*?)```", TEXTS["README.md"], re.DOTALL)
    top = set(re.findall(r"^(\w+)/", tree, re.MULTILINE)) - {"build"}
    assert top == {"notebooks", "dffkit", "data", "figures", "tests"}
    rooms = re.findall(r"^  (\w+)/", tree, re.MULTILINE)
    assert set(rooms) == {path.parent.name for path in REPOSITORY.glob("dffkit/*/__init__.py")} - {"networks"}
    assert all((REPOSITORY / folder).is_dir() for folder in top)
