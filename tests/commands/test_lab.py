"""`lab`: what Jupyter is told, and that it understands it."""

import os
import re

from dffkit.commands import lab


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
