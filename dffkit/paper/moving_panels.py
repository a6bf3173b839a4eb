"""Panels of the moving pictures: frames and maps of a handheld film, four of them in a picture, and their files."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dffkit.datasets.toytown import FPS, HANDHELD, Film
from dffkit.experiments.annotate import SURE
from dffkit.paper.settings import find_setting
from dffkit.support import files

# Detection on a handheld film: one large thing moves by several cells of the feature map, so a box that stays behind is
# plain to see. In the segmentation of a street, most pixels keep their label when nothing is carried at all. The films
# were chosen from the test split because copy and DFF differ visibly on them: an illustration and no measurement.
FOX, HORSE, SETTING = 152, 297, find_setting("handheld")

PANEL, BORDER, BAND = (448, 224), 4, 32  # width and height of a frame, its border, and the caption above it, in pixels
CELL = (PANEL[0] + 2 * BORDER, PANEL[1] + 2 * BORDER + BAND)
SIZE = (2 * CELL[0], 2 * CELL[1])
BACKGROUND, WHITE = "#15181C", "#FFFFFF"
LOOK = {"quality": 60, "method": 4, "kmin": 9, "kmax": 18}  # of WebP: whole pictures at times, or traces stay


class Panel(NamedTuple):
    """A panel of `PANEL` pixels, the words above it and their colour; a white border marks a key frame."""

    image: Image.Image
    caption: str
    colour: str
    is_key_frame: bool


def film(number: int) -> Film:
    """Return a film of the test split by its number, `FOX` or `HORSE`."""
    return Film("test", number, FPS[SETTING.task], HANDHELD)


@lru_cache(maxsize=256)
def frame(number: int, index: int) -> Tensor:
    """Return a frame `(3, H, W)` uint8 of a film, blurred by motion as the networks get it."""
    return film(number).frame(index)


def frame_panel(frame: Tensor, boxes: Mapping[str, Tensor] | None = None) -> Image.Image:
    """Return a frame as a panel, enlarged before its boxes of at least score `SURE` are drawn, with class and score."""
    panel = Image.fromarray(frame.permute(1, 2, 0).numpy()).resize(PANEL, Image.Resampling.BICUBIC)
    if boxes is None:
        return panel
    draw, sure = ImageDraw.Draw(panel), boxes["scores"] >= SURE
    parts = (boxes[name][sure].tolist() for name in ("boxes", "labels", "scores"))
    for box, label, score in zip(*parts, strict=True):
        left, top, right, bottom = (side * PANEL[0] / frame.shape[2] for side in box)
        draw.rectangle((left, top, right, bottom), outline=WHITE, width=5)  # black within white: visible on any ground
        draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline="black", width=3)
        words = f"{HANDHELD.classes[label - 1]} {score:.0%}"
        tag = draw.textbbox((left + 6, top + 6), words, font(15), anchor="lt")
        draw.rectangle((tag[0] - 3, tag[1] - 3, tag[2] + 3, tag[3] + 3), "black")
        draw.text((left + 6, top + 6), words, WHITE, font(15), anchor="lt")
    return panel


def map_panel(colours: np.ndarray) -> Image.Image:
    """Return a map `(h, w, 3)` of colours in 0..1 as a panel; each cell stays a square."""
    return Image.fromarray((255 * colours[..., :3]).round().astype(np.uint8)).resize(PANEL, Image.Resampling.NEAREST)


def picture(panels: Sequence[Panel]) -> Image.Image:
    """Return a picture of three or four panels; a fourth place stays empty."""
    whole = Image.new("RGB", SIZE, BACKGROUND)
    draw = ImageDraw.Draw(whole)
    for number, panel in enumerate(panels):
        x, y = number % 2 * CELL[0], number // 2 * CELL[1]
        draw.text((x + BORDER, y + BAND / 2), panel.caption, panel.colour, font(17), anchor="lm")
        if panel.is_key_frame:
            draw.rectangle((x, y + BAND, x + CELL[0] - 1, y + CELL[1] - 1), WHITE)
        whole.paste(panel.image, (x + BORDER, y + BAND + BORDER))
    return whole


def write(folder: Path, name: str, pictures: Sequence[Image.Image], rate: float, still: int) -> list[Path]:
    """Write the pictures as `NAME.webp`, `rate` a second for ever, and number `still` as `NAME.png`, for print."""
    moving, printed = io.BytesIO(), io.BytesIO()
    first, *others = pictures
    first.save(moving, "WEBP", save_all=True, append_images=others, duration=round(1000 / rate), loop=0, **LOOK)
    pictures[still].save(printed, "PNG", optimize=True)
    streams = {"webp": moving, "png": printed}
    return [files.write(folder / f"{name}.{kind}", stream.getvalue()) for kind, stream in streams.items()]


def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of all words in the pictures."""
    return ImageFont.load_default(size=size)
