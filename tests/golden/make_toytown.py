"""Write toytown.json: how a few frames of Toytown look. Run it when `World.version` was raised."""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from dffkit.datasets.toytown import CLASSES, LABELS, Film, world_hash

frames = []
for split, number, fps, index in (
    ("train", 0, 17.0, 0),
    ("val", 3, 17.0, 19),
    ("test", 7, 30.0, 29),
    ("stills", 1, 0.5, 5),
):
    film = Film(split, number, fps)
    means = F.adaptive_avg_pool2d(film.frame(index).float(), (4, 8)).round(decimals=2).tolist()
    labels = torch.bincount(film.labels(index).flatten().long(), minlength=len(LABELS)) / (192 * 384)
    classes = [CLASSES[i - 1] for i in film.boxes(index)["labels"]]
    entry = {"split": split, "number": number, "fps": fps, "frame": index, "classes": classes}
    frames.append({**entry, "labels": [round(float(share), 5) for share in labels], "means": means})
text = json.dumps({"world": world_hash(), "frames": frames})
Path(__file__).with_name("toytown.json").write_text(text + "\n", encoding="utf-8")
