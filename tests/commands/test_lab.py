"""`python -m dffkit lab`: JupyterLab on this machine only, and notebooks that stay as they are."""

import asyncio
import json
import os
import re
import shutil

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyterlab.labapp import LabApp
from places import REPOSITORY
from traitlets.config import Config

from dffkit.commands import lab

SETTINGS = json.loads((REPOSITORY / "dffkit/commands/jupyter/jupyter_server_config.json").read_text(encoding="utf-8"))


def settings(folder, **options):
    """Return all settings that `lab` passes to Jupyter, in arguments and file, as (class, name, value)."""
    arguments = [
        re.fullmatch(r"--(\w+)\.(\w+)=(.+)", word).groups()
        for word in lab.lab_arguments(folder, "my_notebooks", **options)
    ]
    return arguments + [(owner, *pair) for owner, values in SETTINGS.items() for pair in values.items()]


def write_notebook(path, text):
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]), path)


def texts(folder):
    """Return the text of each notebook in a folder by its name."""
    return {path.name: nbformat.read(path, as_version=4).cells[0].source for path in sorted(folder.glob("*.ipynb"))}


def test_lab_is_reachable_from_this_machine_only_and_keeps_its_token(tmp_path):
    found = settings(tmp_path, port=9000, browser=False)
    for expected in [
        ("ServerApp", "ip", "127.0.0.1"),
        ("ServerApp", "port", "9000"),
        ("ServerApp", "open_browser", "False"),
        ("LabApp", "default_url", "/lab/tree/my_notebooks/00_index.ipynb"),
        ("LabApp", "news_url", None),
    ]:
        assert expected in found
    assert not [name for _, name, _ in found if re.search("token|password|authenticat|xsrf|origin|remote", name)]


def test_lab_asks_nothing_about_news_and_keeps_the_readers_own_settings(monkeypatch, tmp_path):
    from jupyterlab_server.config import get_static_page_config

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.config_path())
    assert os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    assert get_static_page_config(level="all")["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"]


def test_a_page_that_a_notebook_links_to_opens_as_it_is_to_be_read(monkeypatch, tmp_path):
    from jupyterlab_server.settings_utils import _get_overrides

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.config_path())
    overrides, error = _get_overrides(str(tmp_path))
    assert error == ""
    assert overrides["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"] == {"markdown": "Markdown Preview"}


def test_jupyter_reads_the_settings_and_knows_each_of_them(monkeypatch, tmp_path):
    from jupyter_lsp.manager import LanguageServerManager
    from jupyter_server.services.contents.filecheckpoints import FileCheckpoints
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

    owners = [
        ServerApp,
        LabApp,
        AsyncLargeFileManager,
        AsyncMappingKernelManager,
        FileCheckpoints,
        LanguageServerManager,
    ]
    classes = {base.__name__: base for owner in owners for base in reversed(owner.mro())}
    for owner, name, _ in settings(tmp_path, port=9000, browser=True):
        assert classes[owner].class_traits(config=True)[name]
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.config_path())
    app = ServerApp()
    app.load_config_file()
    assert {owner: app.config[owner] for owner in SETTINGS} == SETTINGS


def test_a_notebook_that_lab_saves_keeps_its_bytes_and_its_folder_stays_clean(tmp_path):
    path = tmp_path / "notebooks" / "02_feature_warping.ipynb"
    path.parent.mkdir()
    (lab.checkpoints_folder(tmp_path) / "notebooks").mkdir(parents=True)
    shutil.copy(REPOSITORY / "notebooks" / path.name, path)
    before = path.read_bytes()
    checkpoints = {"FileCheckpoints": {"root_dir": str(lab.checkpoints_folder(tmp_path))}}
    manager = AsyncLargeFileManager(config=Config(SETTINGS | checkpoints), root_dir=str(tmp_path))

    async def open_and_save():
        model = await manager.get(f"notebooks/{path.name}")
        notebook = model["content"]  # JupyterLab changes this much when the kernel starts
        notebook.metadata.language_info.version = "3.99.0"
        notebook.metadata.kernelspec.display_name = "Python 3 (ipykernel)"
        notebook.cells[1].metadata.execution = {"iopub.status.busy": "2017-07-21T00:00:00Z"}
        await manager.save(model, f"notebooks/{path.name}")
        await manager.create_checkpoint(f"notebooks/{path.name}")

    asyncio.run(open_and_save())
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert list(lab.checkpoints_folder(tmp_path).rglob("*.ipynb"))


def test_the_reader_works_on_copies_that_stay_if_changed_and_follow_if_not(tmp_path, capsys):
    stored, copies = tmp_path / "notebooks", tmp_path / "my_notebooks"
    (stored / "pages").mkdir(parents=True)
    (stored / "pages" / "a.md").write_text("old", encoding="utf-8")
    names = ("00_index.ipynb", "01_first.ipynb")
    for name in names:
        write_notebook(stored / name, "old")
    lab.copy_notebooks(tmp_path, tmp_path)
    assert texts(copies) == dict.fromkeys(names, "old")
    assert (copies / "pages" / "a.md").read_text(encoding="utf-8") == "old"
    assert str(copies) in capsys.readouterr().out

    write_notebook(copies / "01_first.ipynb", "mine")
    lab.copy_notebooks(tmp_path, tmp_path)
    assert "newer" not in capsys.readouterr().out
    (stored / "pages" / "a.md").write_text("new", encoding="utf-8")
    for name in names:
        write_notebook(stored / name, "new")
    lab.copy_notebooks(tmp_path, tmp_path)
    assert texts(copies) == {"00_index.ipynb": "new", "01_first.ipynb": "mine"}
    assert (copies / "pages" / "a.md").read_text(encoding="utf-8") == "new"
    assert "newer in notebooks/: 01_first.ipynb" in capsys.readouterr().out

    (copies / "01_first.ipynb").unlink()
    lab.copy_notebooks(tmp_path, tmp_path)
    assert "newer" not in capsys.readouterr().out
    assert texts(copies) == texts(stored) == dict.fromkeys(names, "new")


def test_a_copy_gives_no_prediction_away(tmp_path):
    (tmp_path / "notebooks").mkdir()
    stored = shutil.copy(REPOSITORY / "notebooks" / "02_feature_warping.ipynb", tmp_path / "notebooks")
    lab.copy_notebooks(tmp_path, tmp_path)
    copy = nbformat.read(tmp_path / "my_notebooks" / "02_feature_warping.ipynb", as_version=4)
    cells = [
        cell for cell in zip(nbformat.read(stored, as_version=4).cells, copy.cells, strict=True) if cell[0] != cell[1]
    ]
    assert len(cells) == sum(cell.source.count("**Predict, then") for cell in copy.cells)
    for before, after in cells:
        assert before.metadata.jupyter.outputs_hidden
        assert (after.outputs, after.execution_count, after.source) == ([], None, before.source)
        assert "jupyter" not in after.metadata


@pytest.mark.parametrize("path", ["scratch.ipynb", "notebooks/my_own.ipynb"])
def test_a_notebook_of_the_readers_own_keeps_its_metadata(path):
    from dffkit.commands.notebooks import before_saving

    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "ir", "display_name": "R"}})
    before_saving(model={"type": "notebook", "content": notebook}, path=path, contents_manager=None)
    assert notebook.metadata.kernelspec.name == "ir"


def test_a_saved_notebook_shows_pictures_in_place_of_widgets():
    from dffkit.commands.notebooks import WIDGET_VIEW, before_saving

    view = {"model_id": "0" * 32, "version_major": 2, "version_minor": 0}
    data = {WIDGET_VIEW: view, "image/png": "iVBORw0KGgo=", "text/plain": "a picture"}
    outputs = [nbformat.v4.new_output("execute_result", each) for each in (data, {WIDGET_VIEW: view})]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=outputs)])
    model = {"type": "notebook", "content": notebook}
    before_saving(model=model, path="my_copy.ipynb", contents_manager=None)
    saved = model["content"].cells[0].outputs
    assert [list(output.data) for output in saved] == [["image/png", "text/plain"], [WIDGET_VIEW]]
