"""Deep Feature Flow on any clip, as notebook 07 shows it: results side by side, what is carried, and how it ages."""

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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dffkit.datasets.resized import resized_frame
from dffkit.datasets.resized import short_side as scaled_to
from dffkit.datasets.streams import frames
from dffkit.datasets.toytown import FPS, Film
from dffkit.datasets.video_files import VideoWriter
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.annotate import result_over
from dffkit.lessons.clip_pictures import compact_picture
from dffkit.lessons.explore import Picture
from dffkit.lessons.flow_pictures import colour_wheel, flow_colours
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, RED, styled
from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.repository import root
from dffkit.video import Recognition
from dffkit.warp import propagate

STREET, LENGTH = 4, 40  # of the street that stands in for a clip of the reader's own
LEAST = 20  # frames: notebook 07 looks at some of the first so many
OTHER = 9  # a street that looks quite different
SHORT_SIDE = 192  # pixels: what the shipped networks were trained at
LINES = (BLUE, RED, GREEN, DARK_GREY)


def example_video() -> Path:
    """A rendered street as a video file in `build/`, made once."""
    path = root() / "build" / "notebooks" / f"street-{STREET}.mp4"
    if not path.exists():
        film = Film("val", STREET)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A writer that is interrupted leaves a shorter video, which must not get the name of the whole one.
        with TemporaryDirectory(dir=path.parent) as folder:
            with VideoWriter(Path(folder) / path.name, FPS["segmentation"]) as video:
                for index in range(LENGTH):
                    video.write(film.frame(index))
            video.path.replace(path)
    return path


def clip(
    source: str | Path | None = None, count: int = LENGTH, short_side: int = SHORT_SIDE, least: int = LEAST
) -> list[Tensor]:
    """The first `count` frames of a video file or a folder of images, scaled; of `example_video()` without a source.

    Raises:
        DataError: as `datasets.files.frames`; or if there are fewer than `least` frames, where so many are asked for.
        ValueError: as `datasets.files.frames`.
    """
    source = source or example_video()
    stream = frames(source)
    size = scaled_to(short_side)(stream.size)
    found = [resized_frame(frame, size) for frame in islice(stream, count)]
    if len(found) < min(least, count):
        raise DataError(f"{source}: expected at least {min(least, count)} frames, got {len(found)}; take a longer clip")
    return found


def with_cut(clip: Sequence[Tensor], after: int = 18) -> list[Tensor]:
    """The first frames of a clip, and then as many of another street, at the same size."""
    film, size = Film("val", OTHER), tuple(clip[0].shape[1:])
    return [*clip[:after], *(resized_frame(film.frame(index), size) for index in range(after))]


@styled
def result_grid(
    clip: Sequence[Tensor], methods: Mapping[str, Sequence[Recognition]], shown: Sequence[int], names: Sequence[str]
) -> Picture:
    """Some frames of a clip, and below each what several methods say of it; key frames in a black frame.

    Args:
        clip: `(3, H, W)` uint8 each.
        methods: title -> one result a frame.
        shown: which frames.
        names: of the classes.
    """
    height, width = clip[0].shape[1:]
    size = 8.8, 8.8 / len(shown) * height / width * (len(methods) + 1) + 0.35
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(methods) + 1, len(shown), squeeze=False)
    for axes, index in zip(grid[0], shown, strict=True):
        _show(axes, clip[index])
        axes.set_title(f"i = {index}")
    for row, (title, found) in zip(grid[1:], methods.items(), strict=True):
        for axes, index in zip(row, shown, strict=True):
            _show(axes, result_over(clip[index], found[index].output, names))
            if found[index].is_key_frame:
                axes.spines[:].set(visible=True, linewidth=2.5)
        row[0].set_ylabel(title)
    keys = {title: [i for i in shown if found[i].is_key_frame] for title, found in methods.items()}
    texts = [f"{title} has key frames {', '.join(map(str, found)) or 'elsewhere'}." for title, found in keys.items()]
    return compact_picture(
        figure,
        f"""Frames {", ".join(map(str, shown))} of a clip, and below them the same frames under the results of
        {" and ".join(methods)}. {" ".join(texts)}""",
    )


def agreement(found: Sequence[Recognition], reference: Sequence[Recognition]) -> list[float]:
    """For each frame the share of pixels that two methods give the same label, in percent."""
    pairs = zip(found, reference, strict=True)
    return [100 * float((one.output == other.output).float().mean()) for one, other in pairs]


@styled
def agreement_curves(lines: Mapping[str, Sequence[float]], cut: int | None = None) -> Picture:
    """Agreement with per-frame recognition from frame to frame, one line for each way to choose key frames."""
    figure = Figure(figsize=(8.8, 2.7), layout="constrained")
    axes = figure.subplots()
    for colour, (title, values) in zip(LINES, lines.items(), strict=False):
        axes.plot(range(len(values)), values, ".-", color=colour, label=title)
    if cut is not None:
        axes.axvline(cut, color="black", linewidth=0.8, linestyle=":")
        axes.annotate("cut", (cut, axes.get_ylim()[0]), (3, 3), textcoords="offset points")
    axes.set(xlabel="frame", ylabel="pixels as per frame [%]")
    axes.legend(loc="lower left", ncols=len(lines))
    texts = [f"{title}: at worst {min(values):.0f}%, at frame {values.index(min(values))}." for title, values in
             lines.items()]  # fmt: skip
    where = f", and a cut at frame {cut}" if cut is not None else ""
    return Picture.of(
        figure, f"The share of pixels labelled as per-frame recognition labels them, by frame{where}. {' '.join(texts)}"
    )


@torch.no_grad()
def propagation_parts(model: DeepFeatureFlow, key_frame: Tensor, frame: Tensor) -> dict[str, Tensor]:
    """All that Deep Feature Flow makes on the way from a key frame to a current frame, `(., h, w)` each: the key
    frame's features `key`, `flow`, `scale`, what is `carried`, and the features that the frame has of its `own`.
    """
    key, current = model.key_frame(key_frame[None]), model.key_frame(frame[None])
    flow, scale = model.flow_network(current.flow_input, key.flow_input)
    moved = propagate(key.features, flow, scale)
    found = {"key": key.features, "flow": flow, "scale": scale, "carried": moved, "own": current.features}
    return {name: value[0] for name, value in found.items()}


def feature_similarity(one: Tensor, other: Tensor) -> Tensor:
    """Cosine similarity of two frames' features `(C, h, w)`, cell by cell: `(h, w)`, 1 where they agree."""
    return F.cosine_similarity(one, other, dim=0)


@styled
def propagation_picture(model: DeepFeatureFlow, key_frame: Tensor, frame: Tensor) -> Picture:
    """Two frames of a clip, flow and scale between them, and one feature map: the key frame's, carried, and own."""
    parts = propagation_parts(model, key_frame, frame)
    liveliest = int((parts["own"] - parts["key"]).abs().mean((1, 2)).argmax())
    maps = {name: parts[name][liveliest] for name in ("key", "carried", "own")}
    top = max(float(value.max()) for value in maps.values())
    height, width = key_frame.shape[1:]
    figure = Figure(figsize=(8.8, 2 * 2.2 * height / width + 0.5), layout="constrained")
    above, below = figure.subplots(2, 4)
    for axes, title, picture in ((above[0], "key frame k", key_frame), (above[1], "current frame i", frame)):
        _show(axes, picture)
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
    alike = feature_similarity(parts["carried"], parts["own"])
    below[3].imshow(alike.numpy(), cmap="Greys_r", vmin=0.5, vmax=1)
    below[3].set_title(f"likeness {float(alike.mean()):.2f}")
    for axes in (*above, *below):
        axes.set(xticks=[], yticks=[])
    return compact_picture(
        figure,
        f"""Above, a key frame, a current frame, the flow between them in colours, up to {longest:.1f} cells long, and
        the scale field, {float(scale.mean()):.2f} in the mean. Below, feature map {liveliest} of the key frame, the
        same map carried to the current frame, and computed from the current frame itself; and how alike all maps of the
        two are in each cell, {float(alike.mean()):.2f} in the mean.""",
    )


def _show(axes: Axes, frame: Any) -> None:
    axes.imshow(frame.permute(1, 2, 0).numpy())
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


CLIPS = {"train": (0, 1, 2, 3), "val": (4,), "test": (5,)}
FRAMES, STEP = 7, 2  # of each clip; only the last has a label map


def example_folder() -> Path:
    """A folder in `build/` with `clips/SPLIT/CLIP/NUMBER.jpg`, and a label map `.png` beside some; made once."""
    folder = root() / "build" / "notebooks" / "my_data"
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
    """What `python -m dffkit` and the rest of a command line prints in a folder, without the folders' own names.

    Raises:
        RuntimeError: with all that it printed, if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dffkit", *shlex.split(line)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"python -m dffkit {line}: {done.stdout}{done.stderr}")
    return done.stdout.replace(f"{folder}/", "").replace(f"{root()}/", "")
