"""Every reader of files from outside: small valid files, and what a value of the right form is.

A new reader is an entry of `READERS`.
"""

import contextlib
import hashlib
import io
import itertools
import json
import shutil
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS), str(TESTS / "datasets")]

import city_tree  # noqa: E402
import hand_made  # noqa: E402
import made_videos  # noqa: E402
import mot_tree  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import vid_tree  # noqa: E402
from PIL import Image  # noqa: E402
from places import GOLDEN  # noqa: E402
from torch import Tensor  # noqa: E402

from dffkit import weights  # noqa: E402
from dffkit.datasets import (  # noqa: E402
    camvid,
    cityscapes,
    flying_chairs,
    imagenet_vid,
    mot,
    streams,
    vid_annotations,
    video_files,
)
from dffkit.datasets.images import image_size, read_frame, read_labels  # noqa: E402
from dffkit.datasets.snippets import Snippet  # noqa: E402
from dffkit.experiments import results, runs  # noqa: E402
from dffkit.training import checkpoint  # noqa: E402
from dffkit.training.assembly import build  # noqa: E402
from dffkit.training.recipe import Measurement  # noqa: E402
from dffkit.weights import storage  # noqa: E402
from dffkit.weights.authors import params  # noqa: E402


class Reader(NamedTuple):
    """A reader.

    Attributes:
        make: writes valid files into a folder, and returns those that are to be damaged.
        read: reads a damaged one, and asserts that what comes has the right form.
        inside: returns a part of a file's bytes, and what makes a whole file of it again with right checksums, so that
            damage reaches what lies behind them.
        is_quiet: nothing may appear on standard error. FFmpeg would write a line for each damaged piece; a few lines of
            Pillow about a damaged image are no harm.
    """

    make: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], Any]
    inside: Callable[[bytes, Random], tuple[bytes, Callable[[bytes], bytes]]] | None = None
    is_quiet: bool = False


# What has the right form


def check_frame(frame: Tensor) -> None:
    assert frame.dtype == torch.uint8
    assert frame.ndim == 3
    assert frame.shape[0] == 3
    assert frame.numel() > 0


def check_timed(frames: Iterable[video_files.TimedFrame]) -> None:
    before = None
    for each in itertools.islice(frames, 100):
        check_frame(each.frame)
        assert isfinite(each.seconds)
        assert each.duration is None or each.duration > 0
        if before is None:
            assert each.seconds >= 0
        else:
            assert each.index > before.index
            assert each.seconds > before.seconds
        before = each


def check_labels(labels: Tensor, values: Iterable[int] = range(256)) -> None:
    assert labels.dtype == torch.uint8
    assert labels.ndim == 2
    assert {*np.unique(labels).tolist()} <= {*values}


def check_boxes(target: dict[str, Tensor], size: tuple[int, int], classes: int) -> None:
    boxes, labels = target["boxes"], target["labels"]
    assert boxes.dtype == torch.float32
    assert boxes.shape == (len(labels), 4)
    assert labels.dtype == torch.int64
    assert ((labels >= 1) & (labels <= classes)).all()
    for part in (boxes, target.get("ignore", boxes)):
        assert part.isfinite().all()
        assert (part[:, 2:] > part[:, :2]).all()
        assert (part >= 0).all()
        assert (part <= torch.tensor([size[1], size[0]] * 2)).all()


def check_snippets(snippets: Sequence[Snippet], check_target: Callable[[Any, tuple[int, int]], None]) -> None:
    for snippet in snippets:
        assert isfinite(snippet.fps)
        assert snippet.fps > 0
        frames = [snippet.frames[i] for i in range(len(snippet.frames))]
        for frame in frames:
            check_frame(frame)
        for i in snippet.targets:
            check_target(snippet.targets[i], tuple(frames[i].shape[1:]))
        for i in snippet.motion:
            motion = snippet.motion[i]
            assert (motion.isnan() | ((motion >= 0) & (motion <= 1))).all()


def check_state(state: dict[str, Tensor]) -> None:
    assert all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items())


# Videos and images


def make_videos(folder: Path) -> list[Path]:
    base = made_videos.Video("libx264", "mp4", "25", "upright", "1:1", "one", "at zero", "whole")
    kinds = [
        base,
        base._replace(container="mov", codec="mjpeg", orientation="transposed", shape="2:1"),
        base._replace(container="mkv", rate="variable", streams="thumbnail"),
        base._replace(container="webm", codec="libvpx", shape="16:15"),
        base._replace(container="avi", codec="mpeg4", rate="gap"),
        base._replace(container="ts", codec="mpeg2video", start="late"),
        base._replace(container="flv"),
        base._replace(container="mp4", codec="libvpx-vp9", end="streamed"),
        base._replace(container="gif", codec="gif", rate="slowing"),
    ]
    folders = [folder / str(number) for number in range(len(kinds))]
    for each in folders:
        each.mkdir()
    return [made_videos.make(kind, each) for kind, each in zip(kinds, folders, strict=True)]


def read_video(path: Path) -> None:
    check_timed(video_files.read(path))


def read_stream(path: Path) -> None:
    stream = streams.frames(path)
    assert min(stream.size) > 0
    assert stream.fps is None or stream.fps > 0
    check_timed(stream.timed())


def make_images(folder: Path) -> list[Path]:
    exif = Image.Exif()
    exif[0x0112] = 5
    picture = Image.fromarray(made_videos.picture(9))
    clear = picture.convert("RGBA")
    clear.putalpha(128)
    kinds = {
        "a.png": (picture, {"exif": exif}), "b.png": (clear, {}), "c.png": (picture.quantize(8), {"transparency": 3}),
        "a.jpg": (picture, {"exif": exif}), "b.jpg": (picture.convert("L"), {}), "a.bmp": (picture, {}),
        "a.ppm": (picture, {}), "a.gif": (picture, {}), "a.webp": (picture, {"lossless": True, "exif": exif}),
        "a.tif": (picture, {"compression": "tiff_lzw"}), "a.avif": (picture, {}), "a.jp2": (picture, {}),
    }  # fmt: skip
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    return [folder / name for name in kinds]


def read_image(path: Path) -> None:
    size = image_size(path)
    assert min(size) > 0
    for upright in (False, True):
        frame = read_frame(path, upright=upright)
        check_frame(frame)
        assert sorted(frame.shape[1:]) == sorted(size)


def make_folder(folder: Path) -> list[Path]:
    for name, number in (("frame1.png", 1), ("frame2.jpg", 2)):
        Image.fromarray(made_videos.picture(number)).save(folder / name)
    return sorted(folder.iterdir())


def make_labels(folder: Path) -> list[Path]:
    values = np.tile(np.array([0, 1, 3, 11], np.uint8), (8, 4))
    grey, palette = Image.fromarray(values), Image.fromarray(values)
    palette.putpalette(bytes(range(256)) * 3)
    kinds = {"a.png": grey, "b.png": palette, "c.png": grey.point(bool).convert("1"), "a.pgm": grey, "a.tif": grey}
    for name, image in kinds.items():
        image.save(folder / name)
    return [folder / name for name in kinds]


def inside_png(content: bytes, _: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    return content, with_right_checksums


def with_right_checksums(content: bytes) -> bytes:
    """Return a PNG with the checksum of each chunk made again; another file as it is."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    new, place = bytearray(content), 8
    while place + 12 <= len(new):
        (length,) = struct.unpack_from(">I", new, place)
        if place + 12 + length > len(new):
            break
        struct.pack_into(">I", new, place + 8 + length, zlib.crc32(new[place + 4 : place + 8 + length]))
        place += 12 + length
    return bytes(new)


# Data sets


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


# Weights, checkpoints and results

RECIPE = hand_made.recipe()


def make_weights(folder: Path) -> list[Path]:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    about = {"recipe": {"width": 8}, "recipe_hash": "ab12cd34", "data_version": "00ff00ff", "seed": 3}
    about |= {"scores": {"mIoU": 0.5}, "commit": "0123abc", "date": "2026-01-31"}
    weights.save({"a/b": (model, about)}, folder)
    return [folder / "manifest.json", next(folder.glob("*.safetensors"))]


def read_weights(path: Path) -> None:
    for name in weights.names(path.parent):
        check_state(weights.state(name, path.parent))


def read_listed_tensors(path: Path) -> None:
    content = path.read_bytes()
    listed = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    check_state(storage.read_tensors(path.parent, {path.name: listed}))


def inside_manifest(content: bytes, _: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    return content, sealed_manifest


def sealed_manifest(content: bytes) -> bytes:
    """Return a manifest with its own hash made again."""
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
        manifest = json.loads(content)
        return json.dumps({**manifest, "sha256": storage.digest(manifest)}).encode()
    return content


def make_params(folder: Path) -> list[Path]:
    return [Path(shutil.copy(GOLDEN / name, folder)) for name in ("list.params", "sample-0000.params")]


def make_checkpoint(folder: Path) -> list[Path]:
    state = {"module": {"a": torch.ones(3), "b": torch.tensor(1)}, "identity": {"seed": 1}, "log": [1, "x", None]}
    return [checkpoint.write(folder / "checkpoint-00000001.pt", state)]


def read_checkpoint(path: Path) -> None:
    assert checkpoint.read(path)["format"] == checkpoint.FORMAT


def make_trained(folder: Path) -> list[Path]:
    state = {"module": build(RECIPE).state_dict(), "recipe": json.dumps(asdict(RECIPE)), "names": ["a", "b", "c"]}
    state |= {"identity": {"recipe_hash": RECIPE.hash, "seed": 0}}
    return [checkpoint.write(folder / checkpoint.FINISHED, state)]


def read_trained(path: Path) -> None:
    _, model, names = runs.load_trained(path.parent)
    assert not model.training
    assert all(isinstance(name, str) for name in names)


def inside_zip(content: bytes, rng: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return a member of a zip file, mostly the first, a checkpoint's pickle."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content, bytes
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice([*members, *[next(iter(members))] * len(members)])

    def whole(part: bytes) -> bytes:
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name, member in {**members, chosen: part}.items():
                archive.writestr(name, member)
        return written.getvalue()

    return members[chosen], whole


def make_results(folder: Path) -> list[Path]:
    scores = [
        results.Score(
            Measurement("ab12cd34", seed, "00ff00ff", "val"), "mIoU", 0.5, "all", 5, 10, np.array([0.5, 0.25]),
            {"recipe": "a/b", "date": "2026-01-31"},
        )
        for seed in (0, 1)
    ]  # fmt: skip
    results.add(folder / results.EVALUATION, scores)
    return [folder / results.EVALUATION, next((folder / results.REPLICATES).glob("*.npz"))]


def read_results(path: Path) -> None:
    folder = path.parent if path.suffix == ".csv" else path.parents[1]
    for score in results.read(folder / results.EVALUATION):
        assert isinstance(score.value, float)
        replicates = results.read_replicates(folder, score)
        assert replicates is None or (replicates.ndim == 1 and np.isfinite(replicates).all())


READERS = {
    "video": Reader(make_videos, read_video, is_quiet=True),
    "stream of a video": Reader(make_videos, read_stream, is_quiet=True),
    "stream of an image": Reader(make_images, read_stream),
    "folder of images": Reader(make_folder, lambda path: read_stream(path.parent), inside_png),
    "frame": Reader(make_images, read_image, inside_png),
    "labels": Reader(make_labels, lambda path: check_labels(read_labels(path)), inside_png),
    "MOTChallenge": Reader(make_mot, read_mot),
    "ImageNet VID": Reader(make_vid, read_vid),
    "annotation": Reader(make_xml, read_xml),
    "Cityscapes": Reader(make_city, read_city, inside_png),
    "CamVid": Reader(make_camvid, read_camvid, inside_png),
    "FlyingChairs": Reader(make_chairs, read_chairs),
    "weights": Reader(make_weights, read_weights, inside_manifest),
    "listed tensors": Reader(lambda folder: make_weights(folder)[1:], read_listed_tensors),
    "authors' params": Reader(make_params, lambda path: check_state(params.read(path))),
    "checkpoint": Reader(make_checkpoint, read_checkpoint, inside_zip),
    "trained run": Reader(make_trained, read_trained, inside_zip),
    "results": Reader(make_results, read_results, inside_zip),
}
