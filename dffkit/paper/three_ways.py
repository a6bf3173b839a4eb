"""Two moving pictures of Frame, copy and DFF on one film: each at its measured rate, and all three at one rate."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.ops import box_iou

from dffkit import weights
from dffkit.experiments.annotate import SURE
from dffkit.experiments.speed import TABLE
from dffkit.paper import ablation, ledger, moving_panels
from dffkit.paper.moving_panels import BAND, CELL, FOX, WHITE, Panel, font
from dffkit.paper.style import GREY, ORANGE, PURPLE, SKY
from dffkit.schedules import FixedInterval
from dffkit.support.errors import DataError
from dffkit.video import recognize

METHODS = {
    "Frame": 1,
    "copy": moving_panels.SETTING.duration,
    "DFF": moving_panels.SETTING.duration,
}  # row of Table 4 -> l
COLOURS = {"Frame": ORANGE, "copy": PURPLE, "DFF": SKY}
SECONDS, RATE, SLOWDOWN = 8, 12, 20  # each at its rate: length as shown, pictures a second, measured rate / shown rate
FLASH = 0.2  # seconds, as shown, that a key frame's border is white
FRAMES, ONE_RATE = 40, 5  # at one rate: frames of the film, and how many of them are shown a second
WORDS = {
    "three_ways": (
        "Three ways to detect things in a video",
        f"Each at its measured rate, shown at 1/{SLOWDOWN} speed.",
        "White border: a key frame, the expensive network runs.",
        "Frame: on every frame. copy, DFF: on every l-th frame.",
        "Between them, copy repeats boxes, DFF carries features.",
        "Bars: how far each has come in the film.",
    ),
    "one_rate": (
        "The same frames at one rate",
        "White border: a key frame, the expensive network runs.",
        "Between key frames, copy leaves its boxes where they are,",
        "and DFF carries the features along a cheap flow field.",
        "Bars: overlap (IoU) of the box with the true one, 0 to 1.",
    ),
}


def write_three_ways(folder: Path) -> list[Path]:
    """Write `three_ways.webp`, each method at its measured rate, and its still; return both paths.

    The pictures depend on nothing but the stored speeds and weights. `figures.redraw` leaves them out, since image
    encoders of other versions write other bytes.

    Raises:
        DataError: if a method's stored speed or weights are missing.
    """
    shown = timeline()
    ends = shown.groupby("method").frame.max() + 1
    found = {method: results(method, ends[method]) for method in METHODS}
    bars = (shown.frame + 1) / ends.max()
    return _write(folder, "three_ways", shown, found, bars, RATE)


def write_one_rate(folder: Path) -> list[Path]:
    """Write `one_rate.webp`, all methods at one rate, and its still; return both paths.

    Raises:
        DataError: if a method's stored weights are missing.
    """
    shown = one_rate()
    found = {method: results(method, FRAMES) for method in METHODS}
    truth = [moving_panels.film(FOX).boxes(index) for index in range(FRAMES)]
    bars = pandas.Series([overlap(found[line.method][line.frame], truth[line.frame]) for line in shown.itertuples()])
    return _write(folder, "one_rate", shown, found, bars, ONE_RATE)


def timeline() -> pandas.DataFrame:
    """Contents of each picture at measured rates: a line for each picture and method.

    Returns:
        Columns: `picture`; `seconds` since the start, as shown; `method`; `frame`, floor of the measured seconds times
        the measured frames a second; `key_frame`, the last one at or before `frame`; `flash`, whether the border is
        white because that key frame came less than `FLASH` seconds ago; `caption`.

    Raises:
        DataError: if a method's speed has not been measured.
    """
    speeds = {method: ablation.speed("handheld", method)["fps"] for method in METHODS}
    if missing := [method for method, fps in speeds.items() if not fps > 0]:
        path = ledger.folder() / TABLE
        command = f"python -m dffkit speed --out {path}"
        raise DataError(f"{path}: has no speed of {', '.join(missing)}; measure it by {command}")
    lines = []
    for picture in range(SECONDS * RATE):
        seconds = picture / RATE
        for method, fps in speeds.items():
            frame = int(seconds / SLOWDOWN * fps)
            key = frame - frame % METHODS[method]
            caption = f"{method}, l = {METHODS[method]}:  {fps:.0f} frames a second,  frame {frame}"
            flash = seconds - key / fps * SLOWDOWN < FLASH
            lines.append((picture, seconds, method, frame, key, flash, caption))
    return pandas.DataFrame(lines, columns=["picture", "seconds", "method", "frame", "key_frame", "flash", "caption"])


def one_rate() -> pandas.DataFrame:
    """Contents of each picture at one rate, with the columns of `timeline`; the border of each key frame is white."""
    lines = []
    for frame in range(FRAMES):
        for method, duration in METHODS.items():
            key = frame - frame % duration
            source = "computed" if key == frame else f"from key frame {key}"
            caption = f"{method}, l = {duration}:  frame {frame},  {source}"
            lines.append((frame, frame / ONE_RATE, method, frame, key, key == frame, caption))
    return pandas.DataFrame(lines, columns=["picture", "seconds", "method", "frame", "key_frame", "flash", "caption"])


def results(method: str, count: int) -> list[dict[str, Tensor]]:
    """Boxes of a method on the first `count` frames of the film."""
    model, duration = weights.load(ablation.recipe("handheld", method).name), METHODS[method]
    frames = [moving_panels.frame(FOX, index) for index in range(count)]
    found = recognize(model, frames, FixedInterval(duration), look_ahead=max(1, duration - 1))
    return [each.output for each in found]


def overlap(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> float:
    """IoU of the true boxes with the best found box of their class and at least score `SURE`, the mean over them."""
    sure = found["scores"] >= SURE
    same = truth["labels"][:, None] == found["labels"][sure]
    shared = box_iou(truth["boxes"], found["boxes"][sure]) * same
    return float(shared.amax(1).mean()) if shared.numel() else 0.0


def _write(
    folder: Path,
    name: str,
    shown: pandas.DataFrame,
    found: Mapping[str, Sequence[dict[str, Tensor]]],
    bars: pandas.Series,
    rate: float,
) -> list[Path]:
    """Draw each picture of a table like `timeline` with each method's boxes, a bar for each line, and the words."""
    panels = {
        method: [moving_panels.frame_panel(moving_panels.frame(FOX, i), boxes) for i, boxes in enumerate(each)]
        for method, each in found.items()
    }
    pictures = []
    for _, lines in shown.groupby("picture"):
        four = [
            Panel(panels[line.method][line.frame], line.caption, COLOURS[line.method], line.flash)
            for line in lines.itertuples()
        ]
        pictures.append(moving_panels.picture(four))
        _explanation(pictures[-1], WORDS[name], dict(zip(lines.method, bars[lines.index], strict=True)))
    return moving_panels.write(folder, name, pictures, rate, still=len(pictures) * 2 // 3)


def _explanation(picture: Image.Image, words: Sequence[str], bars: Mapping[str, float]) -> None:
    """Draw a title, lines of words, and a bar for each method, its share of the full width, into the fourth place."""
    draw, (x, y) = ImageDraw.Draw(picture), (CELL[0] + 24, CELL[1] + BAND)
    for number, line in enumerate(words):
        size = 16 if number else 19
        draw.text((x, y), line, GREY if number else WHITE, font(size))
        y += round(1.45 * size)
    for method, share in bars.items():
        y += 24
        draw.text((x, y), method, COLOURS[method], font(15), anchor="lm")
        left, width = x + 56, CELL[0] - 130
        draw.rectangle((left, y - 7, left + width, y + 7), outline="#444B52")
        draw.rectangle((left, y - 7, left + width * share, y + 7), COLOURS[method])
