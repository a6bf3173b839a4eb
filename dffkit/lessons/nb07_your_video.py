"""Notebook 07: results on any clip side by side, propagated features, agreement over time, and a data set in files."""

import io
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dffkit.datasets.resized import resized_frame
from dffkit.datasets.resized import short_side as scaled_to
from dffkit.datasets.streams import frames
from dffkit.datasets.toytown import FPS, Film
from dffkit.datasets.video_writer import VideoWriter
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.annotate import result_over
from dffkit.lessons.clip_pictures import draw_result
from dffkit.lessons.explore import Picture
from dffkit.lessons.flow_pictures import colour_wheel, flow_colours
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, RED, styled
from dffkit.support import files
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import own_folder
from dffkit.video import Recognition
from dffkit.warp import propagate

STREET, LENGTH = 4, 40  # number and frames of the street that replaces a reader's clip
MIN_FRAMES = 20  # notebook 07 shows frames below this number
CUT_STREET = 9  # a street that looks quite different
SHORT_SIDE = 192  # pixels, as in the training of the shipped networks
LINES = (BLUE, RED, GREEN, DARK_GREY)
CLIPS = {"train": (0, 1, 2, 3), "val": (4,), "test": (5,)}
FRAMES, STEP = 7, 2  # number and distance of a clip's frames; only the last has a label map


def example_video() -> Path:
    """Return a rendered street as a video file in `build/`, made once."""
    path = own_folder() / "build" / "notebooks" / f"street-{STREET}.mp4"
    if not path.exists():
        film = Film("val", STREET)
        path.parent.mkdir(parents=True, exist_ok=True)
        # An interrupted writer leaves a shorter video, which must not get the final name.
        with TemporaryDirectory(dir=path.parent) as folder:
            with VideoWriter(Path(folder) / path.name, FPS["segmentation"]) as video:
                for index in range(LENGTH):
                    video.write(film.frame(index))
            video.path.replace(path)
    return path


def clip(
    source: str | Path | None = None, count: int = LENGTH, short_side: int = SHORT_SIDE, least: int = MIN_FRAMES
) -> list[Tensor]:
    """Return the first `count` frames of a video file or a folder of images (default: `example_video()`), scaled.

    Raises:
        DataError: if the source cannot be read, or has fewer frames than `least` and `count`.
        ValueError: if the source is of no known kind.
    """
    source = source or example_video()
    stream = frames(source)
    size = scaled_to(short_side)(stream.size)
    found = [resized_frame(frame, size) for frame in islice(stream, count)]
    if len(found) < min(least, count):
        raise DataError(f"{source}: expected at least {min(least, count)} frames, got {len(found)}; take a longer clip")
    return found


def with_cut(clip: Sequence[Tensor], after: int = 18) -> list[Tensor]:
    """Return the first `after` frames of a clip, then as many of another street at the same size."""
    film, size = Film("val", CUT_STREET), tuple(clip[0].shape[1:])
    return [*clip[:after], *(resized_frame(film.frame(index), size) for index in range(after))]


@styled
def result_grid(
    clip: Sequence[Tensor], methods: Mapping[str, Sequence[Recognition]], shown: Sequence[int], names: Sequence[str]
) -> Picture:
    """Draw some frames of a clip, and below each the results of several methods; key frames in a black frame.

    Args:
        clip: frames `(3, H, W)` uint8.
        methods: title -> one result for each frame.
        shown: numbers of the frames to draw.
        names: names of the classes.
    """
    height, width = clip[0].shape[1:]
    size = 8.8, 8.8 / len(shown) * height / width * (len(methods) + 1) + 0.35
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(methods) + 1, len(shown), squeeze=False)
    for axes, index in zip(grid[0], shown, strict=True):
        draw_result(axes, clip[index])
        axes.set_title(f"i = {index}")
    for row, (title, found) in zip(grid[1:], methods.items(), strict=True):
        for axes, index in zip(row, shown, strict=True):
            draw_result(axes, result_over(clip[index], found[index].output, names))
            if found[index].is_key_frame:
                axes.spines[:].set(visible=True, linewidth=2.5)
        row[0].set_ylabel(title)
    keys = {title: [i for i in shown if found[i].is_key_frame] for title, found in methods.items()}
    texts = [f"{title} has key frames {', '.join(map(str, found)) or 'elsewhere'}." for title, found in keys.items()]
    return Picture.of(
        figure,
        f"""Frames {", ".join(map(str, shown))} of a clip, and below them the same frames under the results of
        {" and ".join(methods)}. {" ".join(texts)}""",
        bits=5,
    )


def agreement(found: Sequence[Recognition], reference: Sequence[Recognition]) -> list[float]:
    """Return for each frame the percentage of pixels to which two methods give the same label."""
    pairs = zip(found, reference, strict=True)
    return [100 * float((one.output == other.output).float().mean()) for one, other in pairs]


@styled
def agreement_curves(lines: Mapping[str, Sequence[float]], cut: int | None = None) -> Picture:
    """Draw agreement with per-frame recognition over the frames, one line for each choice of key frames."""
    figure = Figure(figsize=(8.8, 2.7), layout="constrained")
    axes = figure.subplots()
    for colour, (title, values) in zip(LINES, lines.items(), strict=False):
        axes.plot(range(len(values)), values, ".-", color=colour, label=title)
    if cut is not None:
        axes.axvline(cut, color="black", linewidth=0.8, linestyle=":")
        axes.annotate("cut", (cut, axes.get_ylim()[0]), (-3, 3), textcoords="offset points", ha="right")
    axes.set(xlabel="frame", ylabel="pixels as per frame [%]")
    axes.legend(loc="lower left", ncols=len(lines))
    worst = {title: min(values) for title, values in lines.items()}
    texts = [f"{title}: at worst {low:.0f}%, at frame {lines[title].index(low)}." for title, low in worst.items()]
    where = f", and a cut at frame {cut}" if cut is not None else ""
    return Picture.of(
        figure, f"The share of pixels labelled as per-frame recognition labels them, by frame{where}. {' '.join(texts)}"
    )


@torch.no_grad()
def propagation_parts(model: DeepFeatureFlow, key_frame: Tensor, frame: Tensor) -> dict[str, Tensor]:
    """Return all parts of a propagation, `(C, h, w)` each.

    `key` are the key frame's features, then `flow` and `scale`, `carried` the propagated features, and `own` the
    current frame's features.
    """
    key, current = model.key_frame(key_frame[None]), model.key_frame(frame[None])
    flow, scale = model.flow_network(current.flow_input, key.flow_input)
    moved = propagate(key.features, flow, scale)
    found = {"key": key.features, "flow": flow, "scale": scale, "carried": moved, "own": current.features}
    return {name: value[0] for name, value in found.items()}


@styled
def propagation_picture(model: DeepFeatureFlow, key_frame: Tensor, frame: Tensor) -> Picture:
    """Draw two frames, flow and scale between them, and one feature map: the key frame's, propagated, and own."""
    parts = propagation_parts(model, key_frame, frame)
    liveliest = int((parts["own"] - parts["key"]).abs().mean((1, 2)).argmax())
    maps = {name: parts[name][liveliest] for name in ("key", "carried", "own")}
    top = max(float(value.max()) for value in maps.values())
    height, width = key_frame.shape[1:]
    figure = Figure(figsize=(8.8, 2 * 2.2 * height / width + 0.5), layout="constrained")
    above, below = figure.subplots(2, 4)
    for axes, title, picture in ((above[0], "key frame k", key_frame), (above[1], "current frame i", frame)):
        draw_result(axes, picture)
        axes.set_title(title)
    longest = float(parts["flow"].norm(dim=0).max())
    above[2].imshow(flow_colours(parts["flow"], longest))
    colour_wheel(above[2])
    above[2].set_title(f"flow, up to {longest:.1f} cells")
    scale = parts["scale"].mean(0)
    above[3].imshow(scale.numpy(), cmap="PuOr", vmin=0.5, vmax=1.5)
    above[3].set_title(f"mean scale {float(scale.mean()):.2f}")
    titles = {"key": "a map of k", "carried": "carried to i", "own": "computed from i"}
    for axes, (name, values) in zip(below, maps.items(), strict=False):
        axes.imshow(values.numpy(), cmap="viridis", vmin=0, vmax=top)
        axes.set_title(titles[name])
    similar = F.cosine_similarity(parts["carried"], parts["own"], dim=0)
    below[3].imshow(similar.numpy(), cmap="Greys_r", vmin=0.5, vmax=1)
    below[3].set_title(f"likeness {float(similar.mean()):.2f}")
    for axes in (*above, *below):
        axes.set(xticks=[], yticks=[])
    return Picture.of(
        figure,
        f"""Above, a key frame, a current frame, the flow between them in colours, up to {longest:.1f} cells long, and
        the scale field, {float(scale.mean()):.2f} in the mean. Below, feature map {liveliest} of the key frame, the
        same map propagated to the current frame, and computed from the current frame itself; and the similarity of all
        propagated and own maps in each cell, {float(similar.mean()):.2f} in the mean.""",
        bits=5,
    )


def example_folder() -> Path:
    """Return a folder in `build/` with `clips/SPLIT/CLIP/NUMBER.jpg` and some label maps `.png`; made once."""
    folder = own_folder() / "build" / "notebooks" / "my_data"
    for split, numbers in CLIPS.items():
        for number in numbers:
            _write(folder / "clips" / split / f"street{number}", Film("train" if split == "train" else "val", number))
    return folder


def _write(folder: Path, film: Film) -> None:
    for index in range(FRAMES):
        path = folder / f"{index:04}.jpg"
        _save(path, lambda index=index: film.frame(STEP * index).permute(1, 2, 0), format="jpeg", quality=95)
    _save(path.with_suffix(".png"), lambda: film.labels(STEP * index), format="png")


def _save(path: Path, picture: Callable[[], Tensor], **options: Any) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        Image.fromarray(picture().numpy()).save(buffer, **options)
        files.write(path, buffer.getvalue())


def run_command(folder: Path, line: str) -> str:
    """Run `python -m dffkit LINE` in a folder and return its output, without the names of the folders.

    Raises:
        CommandError: if the command fails; the message holds its output.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dffkit", *shlex.split(line)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise CommandError(f"python -m dffkit {line}: {done.stdout}{done.stderr}")
    return done.stdout.replace(f"{folder}/", "").replace(f"{own_folder()}/", "")
