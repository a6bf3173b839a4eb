"""The README's command for the paper's own recipes works: torchrun with two processes, at full size."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import city_tree
import pytest
import torch
from places import REPOSITORY
from torchvision import models

from dffkit.experiments.runs import Run, Workspace, load_trained
from dffkit.experiments.sources import data_version
from dffkit.training import checkpoint
from dffkit.training.assembly import build
from dffkit.training.checkpoint import FINISHED
from dffkit.training.recipe import Measurement
from dffkit.training.recipes import find

# The recipe scales a strip of this size to 32 x 2048 instead of 1024 x 2048, so that two CPU cores take seconds for an
# iteration. Networks, batch, losses and the optimiser are the paper's, and no code is replaced.
STRIP = (4, 256)


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the repository, so that `build/` and `data/results/` of this one stay as they are."""
    copy = tmp_path / "copy"
    shutil.copytree(REPOSITORY / "dffkit", copy / "dffkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "data" / "weights", copy / "data" / "weights")
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    yield copy
    shutil.rmtree(copy)  # networks of full size, which pytest would keep


def write_imagenet_weights(folder):
    """Write random weights where torchvision keeps its downloads."""
    donor = models.resnet101(weights=None)
    for name, parameter in donor.named_parameters():
        if name.endswith("bn3.weight"):
            torch.nn.init.constant_(parameter, 0.1)  # else random layers make the maps grow beyond all measure
    file = models.ResNet101_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(donor.state_dict(), folder / "hub" / "checkpoints" / file)


def write_flow_run(recipe, build_folder):
    """Write an untrained F as a finished run, from which the recipe starts."""
    ((_, flow),) = recipe.start
    run, workspace = Run(flow), Workspace(build_folder / "runs", build_folder / "results", build_folder / "toytown")
    identity = Measurement(flow.hash, 0, data_version(flow), "train")._asdict()
    checkpoint.write(run.folder(workspace) / FINISHED, {"identity": identity, "module": build(flow).state_dict()})


def test_the_papers_recipe_trains_in_two_processes_at_full_size(copy, tmp_path):
    recipe = find("paper/cityscapes/dff")
    write_imagenet_weights(copy / "torch")
    write_flow_run(recipe, copy / "build")
    for split in ("train", "val"):
        city_tree.write_snippet(tmp_path / "real" / "cityscapes", split=split, size=STRIP)
    # torchrun, by the name under which every system finds it
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dffkit"]
    words += ["train", recipe.name, "--iterations", "1", "--device", "cpu", "--threads", "1", "--no-progress"]
    environment = {**os.environ, "DFFKIT_DATA": str(tmp_path / "real"), "TORCH_HOME": str(copy / "torch")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(copy)}
    done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # one of the processes speaks
    assert line.startswith(f"{recipe.name} (")
    folder = Path(line.partition(" is trained: ")[2])
    assert folder.is_relative_to(copy / "build" / "runs")
    run, model, _ = load_trained(folder)
    trained = run.recipe
    assert (trained.depth, trained.width, trained.flow_width, trained.iterations) == (101, 1.0, 1.0, 1)
    assert trained.batch == 8
    before = torch.load(next((copy / "torch").rglob("*.pth")), weights_only=True)
    after = model.feature_network.state_dict()
    kept = {name for name, value in before.items() if name in after and torch.equal(value, after[name])}
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight"} <= kept  # the first stages are frozen
    assert "layer3.22.conv3.weight" not in kept
    with (folder / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["loss"]) > 0
    assert 0 <= float(row["mIoU@10"]) <= 1
