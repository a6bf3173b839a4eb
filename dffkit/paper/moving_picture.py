"""The moving picture of the README: Frame, copy and DFF on one street, each advancing at its measured rate."""

import io
from pathlib import Path

import numpy as np
import pandas
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dffkit import weights
from dffkit.datasets.toytown import FPS, WORLDS, Film
from dffkit.experiments.annotate import boxes_over
from dffkit.experiments.scoring import TABLE_4
from dffkit.experiments.sources import names
from dffkit.experiments.speed import TABLE
from dffkit.paper import ablation, ledger
from dffkit.paper.style import GREY, ORANGE, PURPLE, SKY
from dffkit.schedules import FixedInterval
from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.video import recognize

# Detection, where a copied box stands still until the next key frame. The street was chosen from the test split because
# copy and DFF differ visibly on it: the picture is an illustration and no measurement.
TASK, STREET, FIRST = "detection", 1, 10
METHODS = {"Frame": 1, "copy": TABLE_4[TASK], "DFF": TABLE_4[TASK]}  # row of Table 4 -> key frame duration l
SECONDS, RATE, SLOWDOWN = 10, 12, 10  # length as shown, pictures a second as shown, measured rate / shown rate
FLASH = 0.2  # seconds, as shown, that a key frame's border is white

PANEL, BORDER, BAND = (448, 224), 4, 30  # width and height of a frame, its border, and the caption above it, in pixels
CELL = (PANEL[0] + 2 * BORDER, PANEL[1] + 2 * BORDER + BAND)
BACKGROUND, WHITE = "#15181C", "#FFFFFF"
COLOURS = {"Frame": ORANGE, "copy": PURPLE, "DFF": SKY}


def write_moving_picture(folder: Path) -> list[Path]:
    """Write `three_ways.webp`, and one picture of it for print, `three_ways.png`; return both paths.

    The pictures depend on nothing but the stored speeds and weights. `figures.redraw` leaves them out, since image
    encoders of other versions write other bytes.

    Raises:
        DataError: if a method's stored speed or weights are missing.
    """
    shown = timeline()
    panels = {method: _panels(method, lines.frame.max() + 1) for method, lines in shown.groupby("method")}
    pictures = [_picture(lines, panels) for _, lines in shown.groupby("picture")]
    moving, still = io.BytesIO(), io.BytesIO()
    look = {"quality": 45, "method": 4, "kmin": 9, "kmax": 18}  # whole pictures at times, or traces stay
    pictures[0].save(
        moving, "WEBP", save_all=True, append_images=pictures[1:], duration=round(1000 / RATE), loop=0, **look
    )
    pictures[len(pictures) * 2 // 3].save(still, "PNG", optimize=True)
    streams = {"webp": moving, "png": still}
    return [files.write(folder / f"three_ways.{kind}", stream.getvalue()) for kind, stream in streams.items()]


def timeline() -> pandas.DataFrame:
    """Contents of each picture: a line for each picture and method.

    Returns:
        Columns: `picture`; `seconds` since the start, as shown; `method`; `fps`, measured, results included; `frame`,
        floor of the measured seconds times `fps`; `key_frame`, the last one at or before `frame`; `flash`, whether the
        border is white because that key frame came less than `FLASH` seconds ago.

    Raises:
        DataError: if a method's speed has not been measured.
    """
    speeds = {method: ablation.speed(TASK, method)["fps"] for method in METHODS}
    if missing := [method for method, fps in speeds.items() if not fps > 0]:
        path = ledger.folder() / TABLE
        command = f"python -m dffkit speed --out {path}"
        raise DataError(f"{path}: has no speed of {', '.join(missing)}; measure it by {command}")
    lines = []
    for picture in range(SECONDS * RATE):
        seconds = picture / RATE
        for method, fps in speeds.items():
            duration = METHODS[method]
            frame = int(seconds / SLOWDOWN * fps)
            key = frame - frame % duration
            line = {"picture": picture, "seconds": seconds, "method": method, "fps": fps, "frame": frame}
            lines.append(line | {"key_frame": key, "flash": seconds - key / fps * SLOWDOWN < FLASH})
    return pandas.DataFrame(lines)


def _panels(method: str, count: int) -> list[Image.Image]:
    """The street's first `count` frames with the boxes of a method."""
    recipe, duration = ablation.recipe(TASK, method), METHODS[method]
    model, film = weights.load(recipe.name), Film("test", STREET, FPS[TASK], WORLDS[TASK])
    frames = [film.frame(FIRST + index, clear=True) for index in range(count)]
    found = recognize(model, frames, FixedInterval(duration), look_ahead=max(1, duration - 1))
    return [_panel(frame, each.output, names(recipe)) for frame, each in zip(frames, found, strict=True)]


def _panel(frame: Tensor, boxes: dict[str, Tensor], classes: tuple[str, ...]) -> Image.Image:
    """A frame `(3, H, W)` with its boxes, enlarged before they are drawn."""
    large = Image.fromarray(frame.permute(1, 2, 0).numpy()).resize(PANEL, Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(large)).permute(2, 0, 1)
    boxes = boxes | {"boxes": boxes["boxes"] * PANEL[0] / frame.shape[2]}
    return Image.fromarray(boxes_over(pixels, boxes, classes).permute(1, 2, 0).numpy())


def _picture(lines: pandas.DataFrame, panels: dict[str, list[Image.Image]]) -> Image.Image:
    """One picture: a panel for each method, and the explanation with a bar for each method in the fourth place."""
    picture = Image.new("RGB", (2 * CELL[0], 2 * CELL[1]), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines.itertuples()):
        x, y = number % 2 * CELL[0], number // 2 * CELL[1]
        words = f"{line.method}, l = {METHODS[line.method]}:  {line.fps:.0f} frames a second,  frame {line.frame}"
        draw.text((x + BORDER, y + BAND / 2), words, COLOURS[line.method], _font(17), anchor="lm")
        if line.flash:
            draw.rectangle((x, y + BAND, x + CELL[0] - 1, y + CELL[1] - 1), WHITE)
        picture.paste(panels[line.method][line.frame], (x + BORDER, y + BAND + BORDER))
    _explanation(draw, lines, max(map(len, panels.values())))
    return picture


def _explanation(draw: ImageDraw.ImageDraw, lines: pandas.DataFrame, longest: int) -> None:
    """Draw the words of the fourth place, and each method's share of the `longest` count of frames as a bar."""
    x, y = CELL[0] + 24, CELL[1] + BAND
    texts = [
        ("Three ways to detect things in a video", WHITE, 19),
        (f"Each at its measured rate, shown at 1/{SLOWDOWN} speed.", GREY, 15),
        ("White border: key frame, the expensive network runs.", GREY, 15),
        ("Frame: on every frame. copy, DFF: on every l-th frame.", GREY, 15),
        ("Between key frames, copy repeats its boxes and", GREY, 15),
        ("DFF moves the features along a cheap flow field.", GREY, 15),
    ]
    for words, colour, size in texts:
        draw.text((x, y), words, colour, _font(size))
        y += round(1.5 * size)
    for line in lines.itertuples():
        y += 24
        draw.text((x, y), line.method, COLOURS[line.method], _font(15), anchor="lm")
        width = (CELL[0] - 130) * (line.frame + 1) / longest
        draw.rectangle((x + 56, y - 7, x + 56 + width, y + 7), COLOURS[line.method])


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)
