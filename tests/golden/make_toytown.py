"""Write toytown.json, coarse means of a few frames of Toytown. Run it after raising `World.version`."""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from dffkit.datasets.toytown import CLASSES, LABELS, WORLDS, Film, data_version

frames = []
for task, split, number, fps, index in (
    ("segmentation", "train", 0, 17.0, 0),
    ("segmentation", "val", 3, 17.0, 19),
    ("detection", "test", 7, 30.0, 29),
    ("segmentation", "stills", 1, 0.5, 5),
):
    film = Film(split, number, fps, WORLDS[task])
    means = F.adaptive_avg_pool2d(film.frame(index).float(), (4, 8)).round(decimals=2).tolist()
    labels = torch.bincount(film.labels(index).flatten().long(), minlength=len(LABELS)) / (192 * 384)
    classes = [CLASSES[i - 1] for i in film.boxes(index)["labels"]]
    entry = {"task": task, "split": split, "number": number, "fps": fps, "frame": index, "classes": classes}
    frames.append({**entry, "labels": [round(float(share), 5) for share in labels], "means": means})
worlds = {task: data_version(world) for task, world in WORLDS.items()}
text = json.dumps({"worlds": worlds, "frames": frames})
Path(__file__).with_name("toytown.json").write_text(text + "\n", encoding="utf-8")
