"""The project's frame: what is installed, `make`, the whole check, and paths of one machine only."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from places import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
LOCKS = ("requirements.lock", "requirements-cpu.lock")
every_lock = pytest.mark.parametrize("lock", LOCKS)


def named_requirements() -> list[str]:
    """Every requirement of pyproject.toml that names a package other than this one."""
    extras = PROJECT["optional-dependencies"]
    return [line for lines in (PROJECT["dependencies"], *extras.values()) for line in lines if "dffkit" not in line]


def locked(lock: str = LOCKS[0]) -> list[Requirement]:
    lines = (REPOSITORY / lock).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


# What is installed


def test_environment_yml_has_the_ranges_of_pyproject():
    *conda, pip = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip["pip"] == [*named_requirements(), "-e ."]


def test_all_is_every_extra():
    extras = set(PROJECT["optional-dependencies"]) - {"all"}
    (requirement,) = map(Requirement, PROJECT["optional-dependencies"]["all"])
    assert requirement.name == "dffkit"
    assert requirement.extras == extras


def test_the_core_needs_torch_and_torchvision_only():
    assert [Requirement(line).name for line in PROJECT["dependencies"]] == ["torch", "torchvision"]


def test_every_dependency_has_its_reason():
    lines = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for requirement in named_requirements():
        (line,) = [line for line in lines if line.strip().startswith(f'"{requirement}"')]
        assert re.search(r"# \w", line), f"no reason given for {requirement}"


@every_lock
def test_a_lock_pins_everything_exactly(lock):
    for requirement in locked(lock):
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement} is not an exact, public version"
        assert requirement.url is None
    assert "://" not in (REPOSITORY / lock).read_text(encoding="utf-8")


def test_the_lock_for_cpus_is_the_other_without_gpu_packages():
    gpu = re.compile(r"(cuda|nvidia)-|triton$")
    assert any(gpu.match(requirement.name) for requirement in locked())
    assert locked("requirements-cpu.lock") == [each for each in locked() if not gpu.match(each.name)]


LINUX, MAC, WINDOWS = ("Linux", "linux"), ("Darwin", "darwin"), ("Windows", "win32")


@pytest.mark.parametrize(
    ("system", "platform", "machine"),
    [(*LINUX, "x86_64"), (*LINUX, "aarch64"), (*MAC, "arm64"), (*WINDOWS, "AMD64")],
)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_satisfies_the_ranges_on_every_system(system, platform, machine, python):
    environment = default_environment() | {
        "platform_system": system,
        "sys_platform": platform,
        "platform_machine": machine,
        "os_name": "nt" if platform == "win32" else "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    pins: dict[str, str] = {}
    for requirement in locked():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in pins, f"{requirement.name} is pinned twice"
            pins[requirement.name] = str(requirement.specifier).removeprefix("==")
    for line in [*named_requirements(), *PYPROJECT["build-system"]["requires"]]:
        wanted = Requirement(line)
        assert wanted.name in pins, f"{wanted.name} is not in requirements.lock: make the lock again"
        assert wanted.specifier.contains(pins[wanted.name]), f"{line}, but the lock has {pins[wanted.name]}"


@every_lock
def test_a_lock_holds_one_pair_of_torch_and_torchvision(lock):
    pair = [requirement for requirement in locked(lock) if requirement.name in ("torch", "torchvision")]
    assert [requirement.name for requirement in pair] == ["torch", "torchvision"]
    assert all(requirement.marker is None for requirement in pair), "every system gets the same pair"


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    assert paper["title"] == "Deep Feature Flow for Video Recognition"
    assert [author["family-names"] for author in paper["authors"]] == ["Zhu", "Xiong", "Dai", "Yuan", "Wei"]


def test_the_citation_has_the_version_of_the_package():
    from dffkit import __version__

    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__


# The Makefile and the whole check


def recipes() -> dict[str, list[str]]:
    """Each explicit target of the Makefile with the lines of its recipe."""
    found: dict[str, list[str]] = {}
    for line in (REPOSITORY / "Makefile").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z ]+|\$\(INSTALLED\)):(?!=| RESOLUTION)", line):
            lines = found[match[1]] = []
        elif line.startswith("\t"):
            lines.append(line.strip())
    return found


def test_make_targets_only_call_the_package():
    preparing = {"help", "setup", "wheels", "clean", "$(INSTALLED)"}
    for_authors = {"faults", "lowest", "newest", "lowest newest"}
    commands = {target: lines for target, lines in recipes().items() if target not in preparing | for_authors}
    assert set(commands) == {
        "test",
        "reproduce",
        "book",
        "lab",
        "handout",
        "benchmark",
        "figures",
        "notebooks",
        "experiments",
    }
    for target, lines in commands.items():
        assert lines == [f"$(DFFKIT) {target} $(ARGS)"]


def test_the_set_up_is_stamped_last():
    *_, installed, _, stamp = recipes()["$(INSTALLED)"]
    assert "--no-deps --no-build-isolation -e ." in installed
    assert stamp == "@touch $(INSTALLED)"


def test_both_ends_of_the_ranges_are_tested_with_the_packages_installed():
    *resolve, _, _, install, test = recipes()["lowest newest"]
    assert "--all-extras" in " ".join(resolve)
    assert "--no-deps --no-build-isolation -e ." in install
    assert test == "build/ends/$@/bin/python -m dffkit test $(ARGS)"


def test_the_workflow_tests_both_ends_on_every_system():
    job = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["system"]] == ["ubuntu", "macos", "windows"]
    ends = re.findall(r"RESOLUTION := (.+)", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert matrix["resolution"] == [each["resolution"] for each in matrix["include"]] == ends
    assert f">={matrix['include'][0]['python']}" == PROJECT["requires-python"]
    *_, install, test = [step["run"] for step in job["steps"] if "run" in step]
    assert install.endswith("--no-deps --no-build-isolation -e .")
    assert test == "python -m dffkit test"


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_clean_keeps_what_took_long_to_make(tmp_path):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    kept = ["build/runs/dff/0/model", "build/results/evaluation.csv", "build/toytown/0/a", ".venv/bin/python"]
    gone = ["build/book/index.html", "build/notebooks/street-4.mp4", "build/rehearsal/runs/a", "build/benchmark.csv"]
    gone += ["build/checkpoints/notebooks/.ipynb_checkpoints/a.ipynb", "build/virtual_documents/a"]
    gone += ["dffkit/__pycache__/cli.pyc", ".pytest_cache/a", "build/ends/lowest/bin/python", "build/pip/bin/python"]
    for name in [*kept, *gone, "tests/test_a.py", "notebooks/00_index.ipynb"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in kept + gone if (tmp_path / name).exists()] == kept


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("git")), reason="needs bash and git")
@pytest.mark.parametrize("changes", [False, True])
def test_the_whole_check_fails_only_for_its_own_changes(tmp_path, changes):
    (tmp_path / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", tmp_path / ".ci")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "of_before.txt").touch()  # so the tree is dirty before the run
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "chromium"):  # with a Chromium it installs none
        (programs / name).write_text("#!/bin/sh\n" + ("touch of_the_run.txt\n" if changes else ""))
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", ".ci/run"], cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True)
    assert done.returncode == changes
    assert (b"?? of_the_run.txt" in done.stderr) == changes


# Real data


def test_real_data_is_taken_from_where_the_variable_points(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("DFFKIT_DATA", str(tmp_path))
    (tmp_path / "camvid").mkdir()
    assert real_data("camvid") == tmp_path / "camvid"


def test_a_test_without_its_real_data_is_skipped_with_a_reason(real_data, monkeypatch, tmp_path):
    monkeypatch.setenv("DFFKIT_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="'camvid' is not here; put it under data/real/"):
        real_data("camvid")


# The tree

TEXT = {".cff", ".cfg", ".csv", ".ipynb", ".lock", ".md", ".py", ".svg", ".toml", ".txt", ".yml", ""}
NOT_OURS = {"build", "dist", "__pycache__", "real"}


def text_files(folder: Path) -> list[Path]:
    """Text files of the repository, without those that .gitignore leaves out."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in NOT_OURS and (path.name in (".ci", ".github") or path.name[0] != "."):
            found += [] if path.suffix == ".egg-info" else text_files(path)
        elif path.is_file() and path.suffix in TEXT and path.name != ".git":
            found.append(path)
    return found


def machine_path() -> re.Pattern[str]:
    """Return a pattern for paths that hold on one machine only: in a home, a scratch folder, near this checkout."""
    folders = {"home", "Users", "root", "tmp", "mnt", "opt", REPOSITORY.parts[1]}
    return re.compile(rf"(?<![\w.}})~-])(?:[A-Za-z]:)?[\\/]+(?:{'|'.join(sorted(folders))})[\\/]\w")


def test_no_file_holds_a_path_of_one_machine():
    pattern = machine_path()
    for path in text_files(REPOSITORY):
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(REPOSITORY)} holds a path of one machine: {found[0]}"


def test_a_path_of_one_machine_would_be_found():
    assert machine_path().search(f"see {REPOSITORY / 'README.md'}")
    assert machine_path().search("C:\\{}\\reader".format("Users"))
    assert not machine_path().search("data/real/camvid and ../notebooks/00_index.ipynb")
