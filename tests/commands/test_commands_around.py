"""`make clean` and `.ci/run`, run in folders of their own."""

import os
import shutil
import subprocess

import pytest
from places import REPOSITORY


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_clean_keeps_what_took_long_to_make(tmp_path):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    kept = ["build/runs/dff/0/model", "build/results/evaluation.csv", "build/toytown/0/a", ".venv/bin/python"]
    gone = ["build/html/00_index.html", "build/notebooks/street-4.mp4", "build/rehearsal/runs/a", "build/benchmark.csv"]
    gone += ["build/checkpoints/notebooks/.ipynb_checkpoints/a.ipynb", "build/virtual_documents/a"]
    gone += ["dffkit/__pycache__/cli.pyc", ".pytest_cache/a"]
    for name in [*kept, *gone, "tests/test_a.py", "notebooks/00_index.ipynb"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in kept + gone if (tmp_path / name).exists()] == kept


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("git")), reason="needs bash and git")
@pytest.mark.parametrize("changes", [False, True])
def test_the_whole_check_blames_only_what_it_changed_itself(tmp_path, changes):
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", tmp_path / ".ci")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "of_before.txt").touch()  # so the tree is dirty before the run
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text("#!/bin/sh\n" + ("touch of_the_run.txt\n" if changes else ""))
    make.chmod(0o755)
    path = f"{make.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True)
    assert done.returncode == changes
    assert (b"?? of_the_run.txt" in done.stderr) == changes
