"""Write toytown.json, coarse means of a few frames of Toytown. Run it after raising `World.version`."""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from dffkit.datasets.toytown import HANDHELD, WORLDS, Film, data_version

EVERY = {**WORLDS, "handheld": HANDHELD}
frames = []
for task, split, number, fps, index in (
    ("segmentation", "train", 0, 17.0, 0),
    ("segmentation", "val", 3, 17.0, 19),
    ("detection", "test", 7, 30.0, 29),
    ("segmentation", "stills", 1, 0.5, 5),
    ("handheld", "train", 113, 30.0, 9),
    ("handheld", "val", 3, 30.0, 19),
    ("handheld", "test", 7, 30.0, 0),
    ("handheld", "stills", 2, 30.0, 0),
):
    film = Film(split, number, fps, EVERY[task])
    means = F.adaptive_avg_pool2d(film.frame(index).float(), (4, 8)).round(decimals=2).tolist()
    labels = torch.bincount(film.labels(index).flatten().long(), minlength=11) / (192 * 384)
    classes = [film.world.classes[i - 1] for i in film.boxes(index)["labels"]]
    entry = {"task": task, "split": split, "number": number, "fps": fps, "frame": index, "classes": classes}
    frames.append({**entry, "labels": [round(float(share), 5) for share in labels], "means": means})
worlds = {task: data_version(world) for task, world in EVERY.items()}
text = json.dumps({"worlds": worlds, "frames": frames})
Path(__file__).with_name("toytown.json").write_text(text + "\n", encoding="utf-8")
