"""The pages of the book as Sphinx reads them: Markdown and notebooks at their places, with what their links lead to."""

import ast
import importlib
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

import dffkit
from dffkit.support import files

# Beside the notebooks, in the order of the sidebar; a page that is not there is left out.
REFERENCE = ("api.md", "data/README.md", "data/claims.md", "figures/README.md", "data/weights/README.md")
REFERENCE += ("CHANGELOG.md",)
PAGES = "notebooks/pages"  # a folder of Markdown that the notebooks link to
FRONT = "README.md"
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?\)")  # of Markdown, to a file of the repository


def stage(repository: Path, notebooks: Mapping[Path, NotebookNode], folder: Path) -> None:
    """Write the pages into `folder`, each at its place in the repository; the README becomes the front page.

    Args:
        repository: the repository.
        notebooks: path in the repository -> the notebook to show, which is changed in place.
        folder: an empty folder.
    """
    names = [path.relative_to(repository).as_posix() for path in notebooks]
    further = [path.relative_to(repository).as_posix() for path in sorted((repository / PAGES).glob("*.md"))]
    pages = {*names, FRONT, *further, *REFERENCE}
    files.write(folder / "api.md", api_page())
    for path, notebook in notebooks.items():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _with_links(cell.source, path.parent, repository, folder, pages)
            else:
                _describe_picture(cell)
                for output in cell.outputs:
                    if text := output.get("data", {}).get("text/markdown"):
                        output.data["text/markdown"] = _with_links(text, path.parent, repository, folder, pages)
        files.write(folder / path.relative_to(repository), nbformat.writes(notebook))
    present = [name for name in REFERENCE if name == "api.md" or (repository / name).is_file()]
    for name in (FRONT, *further, *present):
        if name != "api.md":
            text = (repository / name).read_text(encoding="utf-8")
            text = _with_pictures(text) if name == "figures/README.md" else text
            text = _with_links(text, (repository / name).parent, repository, folder, pages)
            files.write(folder / (name if name != FRONT else "index.md"), text)
    with (folder / "index.md").open("a", encoding="utf-8") as front:
        front.write(_contents("The notebooks", names) + _contents("Single questions", further))
        front.write(_contents("Reference", present))


def show_widgets(notebook: NotebookNode, widgets: Mapping[int, str]) -> None:
    """Replace, in place, the output of each cell in `widgets` by its HTML."""
    for number, text in widgets.items():
        notebook.cells[number].outputs = [new_output("display_data", data={"text/html": text})]


def _describe_picture(cell: NotebookNode) -> None:
    """Let the page's picture have the alternative text and the width of the cell's."""
    for output in cell.outputs:
        if about := output.get("metadata", {}).get("image/png"):
            width = {"width": f"{about['width']}px"} if "width" in about else {}
            cell.metadata["mystnb"] = {"image": {"alt": about.get("alt", ""), **width}}


def _contents(title: str, names: list[str]) -> str:
    pages = "\n".join(str(Path(name).with_suffix("").as_posix()) for name in names)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def _with_pictures(text: str) -> str:
    """Show below the table of figures each figure that it lists, and let the table's links lead there."""
    rows = re.findall(r"^\| \[(\w+)\]\((\w+\.png)\) \| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE)
    shown = "".join(
        f"\n## {name}\n\n![{name}: {what}]({file})\n\n{what}; in the paper: {place}.\n"
        for name, file, place, what in rows
    )
    return re.sub(r"\[(\w+)\]\(\1\.png\)", r"[\1](#\1)", text) + shown


def _with_links(text: str, start: Path, repository: Path, folder: Path, pages: set[str]) -> str:
    """Return Markdown whose links lead to pages of the book; what they lead to besides is brought along."""

    def replace(link: re.Match[str]) -> str:
        target = (start / link[2]).resolve()
        if not target.is_file():  # such as x[0](y) in code; Sphinx warns of a link that leads nowhere
            return link[0]
        name = target.relative_to(repository).as_posix()
        place = re.sub(r"[^#\w\- ]", "", unquote(link[3] or "").lower())  # the anchor that MyST makes of a heading
        if name in pages:
            address = link[2] if name != FRONT else re.sub(r"README\.md$", "index.md", link[2])
        else:
            address = link[2] + _bring(target, folder / name)
        return f"{link[1]}{address}{place})"

    return LINK.sub(replace, text)


def _bring(source: Path, place: Path) -> str:
    """Copy a picture, or make a page that shows a text file; return what the file's name has more in the book."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in (".png", ".webp", ".svg"):
        shutil.copy(source, place)
        return ""
    name, text = source.name, source.read_text(encoding="utf-8")
    language = {".py": "python", ".toml": "toml"}.get(source.suffix, "text")
    parts = _definitions(text) if language == "python" else [("", text)]
    blocks = "".join(f"{head and f'## {head}'}\n\n`````{language}\n{code}`````\n\n" for head, code in parts)
    files.write(place.with_name(f"{name}.md"), f"---\norphan: true\n---\n\n# {name}\n\n{blocks}")
    return ".md"


def _definitions(text: str) -> list[tuple[str, str]]:
    """Split Python before each function and class at its top: (name, source), with the name "" for what is above."""
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    starts = [min(node.lineno for node in (each, *each.decorator_list)) - 1 for each in found]
    lines = text.splitlines(keepends=True)
    ends = zip([0, *starts], [*starts, len(lines)], strict=True)
    return list(
        zip(["", *(each.name for each in found)], ("".join(lines[a:b]).rstrip() + "\n" for a, b in ends), strict=True)
    )


def api_page() -> str:
    """Return the page of the library's public names, by module, for Sphinx to fill with their docstrings."""
    modules: dict[str, list[str]] = {}
    for name in dffkit.__all__:
        modules.setdefault(getattr(dffkit, name).__module__, []).append(name)
    errors, *library = dffkit._MODULES
    order = [f"dffkit.{path}" for path in (*library, errors)]
    in_order = sorted(modules, key=lambda module: _first(order, lambda path: module.startswith(path)))
    parts = [
        "# The library\n\nEvery name below is imported from `dffkit`, as in `from dffkit import DeepFeatureFlow`.\n"
    ]
    for module in in_order:
        title = importlib.import_module(module).__doc__.split("\n")[0]
        parts.append(f"## {module.removeprefix('dffkit.')}\n\n{title}\n\n```{{eval-rst}}")
        for name in modules[module]:
            thing = getattr(dffkit, name)
            fields = ", ".join(getattr(thing, "_fields", ()))  # of a named tuple; its signature has them
            hidden = f"\n   :exclude-members: {fields}" if fields else ""
            parts.append(f".. auto{'class' if isinstance(thing, type) else 'function'}:: dffkit.{name}{hidden}\n")
        parts.append("```\n")
    return "\n".join(parts)


def _first(items: list[str], holds: Callable[[str], bool]) -> int:
    return next(number for number, item in enumerate(items) if holds(item))
