"""The project's frame: the files that say what to install agree, and the package keeps its own rules."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from places import REPOSITORY

PACKAGE = REPOSITORY / "dffkit"
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")

# The core in reading order: a module imports only from those before it.
CORE = ["warp", "networks", "dff", "schedules", "video", "complexity"]


def named_requirements() -> list[str]:
    """Every requirement of pyproject.toml that names a package other than this one."""
    extras = PROJECT["optional-dependencies"]
    return [line for lines in (PROJECT["dependencies"], *extras.values()) for line in lines if "dffkit" not in line]


def locked() -> list[Requirement]:
    return [Requirement(line) for line in LOCK.splitlines() if line and not line.startswith("#")]


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


def test_the_lock_pins_everything_exactly():
    for requirement in locked():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement} is not an exact, public version"
        assert requirement.url is None
    assert "://" not in LOCK


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


def test_the_lock_holds_one_pair_of_torch_and_torchvision():
    pair = [requirement for requirement in locked() if requirement.name in ("torch", "torchvision")]
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


# The Makefile


def recipes() -> dict[str, list[str]]:
    """Each explicit target of the Makefile with the lines of its recipe."""
    found: dict[str, list[str]] = {}
    for line in (REPOSITORY / "Makefile").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z]+|\$\(INSTALLED\)):(?!=)", line):
            lines = found[match[1]] = []
        elif line.startswith("\t"):
            lines.append(line.strip())
    return found


def test_make_targets_only_call_the_package():
    preparing = {"help", "setup", "clean", "$(INSTALLED)"}
    commands = {target: lines for target, lines in recipes().items() if target not in preparing}
    assert set(commands) == {"test", "reproduce", "lab", "benchmark", "figures", "notebooks", "experiments"}
    for target, lines in commands.items():
        assert lines == [f"$(DFFKIT) {target} $(ARGS)"]


def test_the_set_up_is_stamped_last():
    *_, installed, stamp = recipes()["$(INSTALLED)"]
    assert "--no-deps --no-build-isolation -e ." in installed
    assert stamp == "@touch $(INSTALLED)"


# The package


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))


def core_modules(name: str) -> list[Path]:
    """The files of one entry of the core: a module, or a folder of them."""
    return sorted((PACKAGE / name).glob("*.py")) or [path for path in [PACKAGE / f"{name}.py"] if path.exists()]


def imported_from_dffkit(module: Path) -> set[str]:
    """Names of the package's modules that a file imports, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.relative_to(REPOSITORY).parts[: -node.level] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{source}.{alias.name}" for alias in node.names} if source == "dffkit" else {source}
    return {name.split(".")[1] for name in names if name.startswith("dffkit.")}


@pytest.mark.parametrize("name", CORE)
def test_core_imports_point_upwards(name):
    allowed = {*CORE[: CORE.index(name)]} | ({name} if (PACKAGE / name).is_dir() else set())
    for module in core_modules(name):
        wrong = imported_from_dffkit(module) - allowed
        assert not wrong, f"{module.relative_to(REPOSITORY)} imports {sorted(wrong)}, which stand below it"


def lines_of_code(path: Path) -> int:
    """Lines without blank ones, comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    owners = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented) and ast.get_docstring(node)]
    prose = {line for node in owners for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and n not in prose for n, line in lines)


def test_the_core_can_be_read_in_one_sitting():
    lines = sum(lines_of_code(path) for name in CORE for path in core_modules(name))
    assert lines <= 1000


def test_importing_the_package_loads_torch_and_torchvision_only():
    code = """
import sys, torch, torchvision
before = set(sys.modules)
import dffkit, dffkit.complexity
everything = [getattr(dffkit, name) for name in dffkit.__all__]
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*loaded - {"torch", "torchvision"} - sys.stdlib_module_names)
"""
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["dffkit"]


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
    """The files of text that belong to the repository; what .gitignore leaves out is not looked at."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in NOT_OURS and (path.name == ".ci" or path.name[0] != "."):
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
