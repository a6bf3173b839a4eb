"""A small ILSVRC2015 in the official layout; the tests of ImageNet VID and of its annotations share it."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT = SIZE = (64, 32)
AIRPLANE, DOG, CROQUET_BALL = "n02691156", "n02084071", "n03134739"  # the last is of DET alone
TRAIN = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
VAL = "val/ILSVRC2015_val_00000000"
STILL = "train/ILSVRC2013_train/n02691156/n02691156_10034"
ANNOTATION = """<annotation>
  <folder>somewhere</folder><filename>000000</filename><source><database>ILSVRC_2015</database></source>
  <size><width>64</width><height>32</height></size>
  {}
</annotation>"""


def thing(box=(10, 5, 19, 14), name=AIRPLANE, track=0, occluded=0, generated=0):
    """Return the XML of an object of VID, or without a track of an object of DET."""
    x1, y1, x2, y2 = box
    corners = f"<xmax>{x2}</xmax><xmin>{x1}</xmin><ymax>{y2}</ymax><ymin>{y1}</ymin>"
    of_video = f"<trackid>{track}</trackid><occluded>{occluded}</occluded><generated>{generated}</generated>"
    return f"<object>{of_video if track is not None else ''}<name>{name}</name><bndbox>{corners}</bndbox></object>"


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_annotation(path, *things):
    return write_text(path, ANNOTATION.format("\n  ".join(things)))


def write_image(path, brightness):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), brightness, dtype=np.uint8)).save(path, "JPEG")


def write_video(root, name=TRAIN, length=12, step=2):
    """Write a video whose frame i has brightness 10 i: an airplane moves `step` pixels a frame, a dog stands still."""
    for i in reversed(range(length)):
        write_image(root / "Data" / "VID" / name / f"{i:06d}.JPEG", 10 * i)
        things = [thing((step * i, 5, step * i + 9, 14), track=3)]
        things += [thing((40, 10, 49, 19), DOG, track=1, generated=1)] if i else []
        write_annotation(root / "Annotations" / "VID" / name / f"{i:06d}.xml", *things)
    return root


def write_still(root, name=STILL, *things, brightness=200):
    write_image(root / "Data" / "DET" / f"{name}.JPEG", brightness)
    write_annotation(root / "Annotations" / "DET" / f"{name}.xml", *things)
    return root


def listed(tmp_path, *lines):
    return write_text(tmp_path / "list.txt", "\n".join(lines) + "\n")


def brightness(frame):
    return round(frame.float().mean().item() / 10)
