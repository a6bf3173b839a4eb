"""Made-up files in the layouts of the paper's data sets: enough for the first two iterations of a training.

They hold coloured blots that move left by a pixel a frame. Readers, networks and losses meet no difference to real
files but the content, and what they learn is worthless.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from dffkit.datasets import cityscapes, flying_chairs
from dffkit.datasets.vid_annotations import CLASS_OF_SYNSET
from dffkit.experiments.sources import VID_LISTS
from dffkit.support import files

Size = tuple[int, int]  # height, width

# Frames of VID are mostly 720 x 1280, which become 562 x 1000. These become 600 x 1000, which is as large as any can.
SIZES = {"imagenet_vid": (720, 1200), "cityscapes": (1024, 2048), "flying_chairs": (384, 512)}
VIDEO_LENGTH = 12  # frames of the video of VID; the last is annotated, so the full range of key frames is before it
BLOT = 16  # pixels


def imagenet_vid(root: Path, size: Size) -> None:
    """Write a video of VID and an image of DET in `root/ILSVRC2015`, with the lists that the training reads."""
    folder = root / "ILSVRC2015"
    video = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
    still = "train/ILSVRC2013_train/n02691156/n02691156_10034"
    *_, picture = pictures = list(_pictures(size, VIDEO_LENGTH))
    for name, each in [*((f"VID/{video}/{i:06d}", each) for i, each in enumerate(pictures)), (f"DET/{still}", picture)]:
        _save(each, folder / "Data" / f"{name}.JPEG")
        files.write(folder / "Annotations" / f"{name}.xml", _annotation(size))
    lines = {"vid": f"{video} 1 {VIDEO_LENGTH - 1} {VIDEO_LENGTH}\n", "det": f"{still} 1\n"}
    for name, line in lines.items():
        files.write(folder / "ImageSets" / VID_LISTS[name], line)


def cityscapes_snippet(root: Path, size: Size) -> None:
    """Write a snippet of 30 frames with its label map, which has stripes of all classes, in `root/cityscapes`."""
    ids = np.array(list(cityscapes.CLASS_OF_LABEL_ID), np.uint8)
    stripes = np.tile(ids[np.arange(size[1]) * len(ids) // size[1]], (size[0], 1))
    labels = f"gtFine/train/ulm/ulm_000000_{cityscapes.BEFORE:06d}_{cityscapes.LABELS}.png"
    _save(Image.fromarray(stripes), root / "cityscapes" / labels)
    for i, picture in enumerate(_pictures(size, cityscapes.BEFORE + 1 + cityscapes.AFTER)):
        frame = f"leftImg8bit_sequence/train/ulm/ulm_000000_{i:06d}_{cityscapes.FRAME}.png"
        _save(picture, root / "cityscapes" / frame)


def chairs(root: Path, size: Size) -> None:
    """Write a pair of FlyingChairs with its flow in `root/flying_chairs`."""
    folder = root / "flying_chairs"
    for i, picture in enumerate(_pictures(size, 2), 1):
        _save(picture, folder / f"00001_img{i}.ppm")
    flow = np.tile(np.array([-1, 0], "<f4"), (*size, 1))
    header = flying_chairs.MAGIC + np.array(size[::-1], "<i4").tobytes()
    files.write(folder / "00001_flow.flo", header + flow.tobytes())
    files.write(folder / flying_chairs.SPLIT_FILE, f"{flying_chairs.SPLITS['train']}\n")


WRITERS: Mapping[str, Callable[[Path, Size], None]] = {
    "imagenet_vid": imagenet_vid, "cityscapes": cityscapes_snippet, "flying_chairs": chairs,
}  # fmt: skip


def _pictures(size: Size, count: int) -> Iterator[Image.Image]:
    height, width = size
    blots = -(-height // BLOT), -(-(width + count) // BLOT), 3
    colours = np.random.default_rng(0).integers(0, 256, blots, dtype=np.uint8)
    scene = Image.fromarray(colours).resize((width + count, height), Image.Resampling.BICUBIC)
    for i in range(count):
        yield scene.crop((i, 0, i + width, height))


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, compress_level=1)  # of PNG: seconds instead of half a minute for the frames of Cityscapes


def _annotation(size: Size) -> str:
    """Return the XML of a frame with an object of each of the first classes side by side."""
    height, width = size
    synsets = list(CLASS_OF_SYNSET)[:3]
    objects = "".join(
        f"<object><trackid>{i}</trackid><name>{synset}</name><bndbox>"
        f"<xmin>{i * width // 3}</xmin><xmax>{(i + 1) * width // 3 - 1}</xmax>"
        f"<ymin>{height // 4}</ymin><ymax>{height // 2}</ymax></bndbox></object>"
        for i, synset in enumerate(synsets)
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"
