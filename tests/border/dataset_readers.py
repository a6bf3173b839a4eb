"""Small valid data sets, and their readers."""

import struct
from pathlib import Path

import city_tree
import made_videos
import mot_tree
import numpy as np
import torch
import vid_tree
from PIL import Image
from right_form import check_boxes, check_frame, check_labels, check_snippets

from dffkit.datasets import camvid, cityscapes, flying_chairs, imagenet_vid, mot, vid_annotations


def make_mot(folder: Path) -> list[Path]:
    mot_tree.sequence(folder, length=4)
    return [folder / "gt" / "gt.txt", folder / "gt" / "gt.txt", folder / "seqinfo.ini", folder / "img1" / "000001.png"]


def read_mot(path: Path) -> None:
    folder = next(above for above in path.parents if (above / "img1").is_dir())
    check_snippets([mot.snippet(folder)], lambda target, size: check_boxes(target, size, 1))


def make_vid(folder: Path) -> list[Path]:
    vid_tree.write_video(folder, length=3)
    vid_tree.write_video(folder, vid_tree.VAL, length=2)
    vid_tree.write_still(folder, vid_tree.STILL, vid_tree.thing(track=None))
    lists = {"frames": f"{vid_tree.TRAIN} 1 0 3\n{vid_tree.TRAIN} 1 2 3\n", "videos": f"{vid_tree.VAL} 1 0 2\n"}
    lists |= {"stills": f"{vid_tree.STILL} 1\n"}
    files = [vid_tree.write_text(folder / f"{name}.txt", text) for name, text in lists.items()]
    return [*files, folder / "Data" / "VID" / vid_tree.TRAIN / "000000.JPEG"]


def read_vid(path: Path) -> None:
    root = next(above for above in path.parents if (above / "Annotations").is_dir())
    found = [
        *imagenet_vid.snippets(root, "train", frames=root / "frames.txt"),
        *imagenet_vid.snippets(root, "val", videos=root / "videos.txt"),
        *imagenet_vid.stills(root, root / "stills.txt"),
    ]
    check_snippets(found, lambda target, size: check_boxes(target, size, 30))


def make_xml(folder: Path) -> list[Path]:
    things = vid_tree.thing(), vid_tree.thing((40, 10, 49, 19), vid_tree.DOG, track=1)
    still = vid_tree.thing(track=None), vid_tree.thing(name=vid_tree.CROQUET_BALL, track=None)
    return [
        vid_tree.write_annotation(folder / "video.xml", *things),
        vid_tree.write_annotation(folder / "still.xml", *still),
    ]


def read_xml(path: Path) -> None:
    target, skipped = vid_annotations.read_annotation(path, path.stem == "video")
    assert skipped >= 0
    check_boxes(target, (2**31, 2**31), 30)


def make_city(folder: Path) -> list[Path]:
    city_tree.write_snippet(folder)
    city_tree.write_snippet(folder, labels=7, split="val")
    labels = [city_tree.label_path(folder, 19), city_tree.label_path(folder, 19, split="val")]
    return [*labels, city_tree.frame_path(folder, 19)]


def read_city(path: Path) -> None:
    root = next(above for above in path.parents if (above / "gtFine").is_dir())
    for split in ("train", "val"):
        check_snippets(cityscapes.snippets(root, split), lambda labels, _: check_labels(labels, [*range(19), 255]))


def make_camvid(folder: Path) -> list[Path]:
    for number in (2, 4):
        for part, pixels in (("val", made_videos.picture(number)), ("valannot", np.full((48, 64), number, np.uint8))):
            (folder / part).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / part / f"a{number}.png")
    return [folder / "valannot" / "a2.png", folder / "val" / "a4.png"]


def read_camvid(path: Path) -> None:
    found = camvid.snippets(path.parents[1], "test")
    check_snippets(found, lambda labels, _: check_labels(labels, [*range(11), 255]))


def make_chairs(folder: Path) -> list[Path]:
    for number in (1, 2):
        for part in ("img1", "img2"):
            Image.fromarray(made_videos.picture(number)).save(folder / f"0000{number}_{part}.ppm")
        flow = np.ones((48, 64, 2), "<f4").tobytes()
        (folder / f"0000{number}_flow.flo").write_bytes(b"PIEH" + struct.pack("<2i", 64, 48) + flow)
    (folder / flying_chairs.SPLIT_FILE).write_text("1\n2\n")
    return [folder / "00001_flow.flo", folder / "00001_img1.ppm", folder / flying_chairs.SPLIT_FILE]


def read_chairs(path: Path) -> None:
    for split in ("train", "val"):
        for pair in flying_chairs.FlyingChairs(path.parent, split):
            check_frame(pair.current)
            check_frame(pair.key)
            assert pair.flow.dtype == torch.float32
            assert pair.flow.shape == (2, *pair.current.shape[1:])
            assert pair.flow.isfinite().all()
