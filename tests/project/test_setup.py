"""`make setup` with tiny stand-ins for its packages: from PyTorch's index, and from a folder with the network cut."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from places import REPOSITORY

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")

DEAD = "http://127.0.0.1:9/simple"  # nothing answers there
LOCK = "torch==2.15.0\ntorchvision==0.29.2\nsmall==1.0\n"
# Stands for setuptools, which would need wheels of its own.
BACKEND = """
import shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    shutil.copy("dffkit-0-py3-none-any.whl", folder)
    return "dffkit-0-py3-none-any.whl"
"""


def add_wheel(folder, name, version):
    """Write a wheel that holds nothing but its name and version."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def index(folder, versions):
    """Make a package index of wheels in a folder, and return its address."""
    for name, version in versions.items():
        add_wheel(folder / name, name, version)
        links = "".join(f'<a href="{wheel.name}">{wheel.name}</a>' for wheel in (folder / name).glob("*.whl"))
        (folder / name / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return folder.as_uri()


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, both locks and a package without content."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(REPOSITORY / "Makefile", folder)
    (folder / "requirements.lock").write_text(f"{LOCK}nvidia==1.0\n")
    (folder / "requirements-cpu.lock").write_text(LOCK)
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(backend)
    (folder / "backend.py").write_text(BACKEND)
    add_wheel(folder, "dffkit", "0")
    return folder


@pytest.fixture
def registry(tmp_path):
    """The address of an ordinary index: its torch has no local version, and needs GPU packages."""
    versions = {"torch": "2.15.0", "torchvision": "0.29.2", "small": "1.0", "nvidia": "1.0"}
    return index(tmp_path / "registry", versions)


def make(checkout, registry, *words):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    own |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": registry, "PIP_RETRIES": "0"}
    command = ["make", *words, f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=checkout, env=own, capture_output=True, text=True, check=False)


def installed(checkout):
    """Return the names and versions of the packages in the checkout's environment, without pip and setuptools."""
    (packages,) = checkout.glob(".venv/lib/python3.*/site-packages")
    names = {path.name.removesuffix(".dist-info").partition("-")[::2] for path in packages.glob("*.dist-info")}
    return {name: version for name, version in names if name not in ("pip", "setuptools")}


def test_the_set_up_from_an_index_takes_torch_and_torchvision_from_it(checkout, registry, tmp_path):
    cpu = index(tmp_path / "cpu", {"torch": "2.15.0+cpu", "torchvision": "0.29.2+cpu", "small": "0.5"})
    done = make(checkout, registry, "setup", f"INDEX={cpu}")
    assert done.returncode == 0, done.stderr
    assert installed(checkout) == {"torch": "2.15.0+cpu", "torchvision": "0.29.2+cpu", "small": "1.0", "dffkit": "0"}
    again = make(checkout, registry, "--dry-run", "--assume-new=requirements-cpu.lock", "setup")
    assert f'--index-url "{cpu}"' in again.stdout  # a newer lock is installed from the same index


def test_the_set_up_from_a_folder_needs_no_network(checkout, registry):
    done = make(checkout, registry, "wheels", "WHEELS=a folder")
    assert done.returncode == 0, done.stderr
    done = make(checkout, DEAD, "setup", "WHEELS=a folder")
    assert done.returncode == 0, done.stderr
    versions = {"torch": "2.15.0", "torchvision": "0.29.2", "small": "1.0", "nvidia": "1.0", "dffkit": "0"}
    assert installed(checkout) == versions


def test_wheels_asks_for_a_folder(checkout, registry):
    done = make(checkout, registry, "wheels")
    assert done.returncode != 0
    assert "make wheels WHEELS=folder" in done.stderr
