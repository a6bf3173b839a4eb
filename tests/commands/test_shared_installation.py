"""An installation for many users who can't write it: what they make goes to folders of their own."""

import os
import shutil
import subprocess
import sys

import pytest
from places import REPOSITORY

from dffkit.support import files

# Root may write anywhere, unless it gives up that right.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.name == "posix" else []
WITHOUT_RIGHTS = WITHOUT_RIGHTS if WITHOUT_RIGHTS and os.geteuid() == 0 else []
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="needs a system whose folders can be closed to their owner"),
    pytest.mark.skipif(bool(WITHOUT_RIGHTS) and not shutil.which("setpriv"), reason="root needs setpriv"),
]
# Everything that a user of the notebooks writes without naming a place.
WORK = """
from jupyterlab.labapp import LabApp
LabApp.launch_instance = lambda argv: print(*argv)

from dffkit.commands.cli import main
from dffkit.experiments import runs
from dffkit.lessons import nb07_your_video
from dffkit.support.files import data_folder, locked

assert main(["lab", "--no-browser"]) == 0
assert main(["lab", "--no-browser", "--stored"]) == 0
assert main(["handout"]) == 0
assert main(["figures", "table2"]) == 1
nb07_your_video.LENGTH = 1
nb07_your_video.example_video()  # numba compiles its loops, and stores them
with locked(runs.default_workspace().cache), locked(runs.default_workspace().runs):
    pass
print(data_folder())
"""


@pytest.fixture
def shared(tmp_path):
    """A copy of the repository that nobody may write, which becomes writable again so that it can be deleted."""
    folder = tmp_path / "shared"
    left_out = shutil.ignore_patterns("__pycache__", "weights", "real", "0[1-6]_*")
    for name in ("data", "dffkit", "figures", "notebooks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=left_out if name != "dffkit" else None)
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    places = [folder, *folder.rglob("*")]
    for place in places:
        place.chmod(place.stat().st_mode & ~0o222)
    yield folder
    for place in places:
        place.chmod(place.stat().st_mode | 0o200)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_users_of_a_shared_installation_write_to_their_own_folders_only(shared, tmp_path):
    before, home = contents(shared), tmp_path / "home"
    home.mkdir()
    own = {"HOME": str(home), "PYTHONPATH": str(shared), "OMP_NUM_THREADS": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DFFKIT", "XDG", "NUMBA", "MPL"))}
    command = [*WITHOUT_RIGHTS, sys.executable, "-W", "ignore", "-c", WORK]
    done = subprocess.run(command, cwd=shared, env=kept | own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(shared) == before
    assert f"--ServerApp.root_dir={home / 'dffkit'}" in done.stdout
    assert f"{home / 'dffkit' / 'data' / 'real'}" in done.stdout
    assert f"{shared / 'figures'}" in done.stderr
    assert "run this where you may write" in done.stderr
    made = contents(home / "dffkit")
    expected = ["my_notebooks/00_index.ipynb", "build/notebooks/street-4.mp4", "build/handout/notebooks/00_index.ipynb"]
    assert {*expected, "build/toytown/.lock", "build/runs/.lock"} <= set(made)
    assert (home / "dffkit" / "figures" / "how_it_works.webp").read_bytes()
    assert (home / "dffkit" / "my_notebooks" / ".." / "dffkit" / "warp.py").read_bytes()


def test_the_own_folder_is_the_repository_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("DFFKIT_HOME", raising=False)
    assert files.own_folder() == REPOSITORY
    monkeypatch.setenv("DFFKIT_HOME", str(tmp_path))
    assert files.own_folder() == tmp_path
