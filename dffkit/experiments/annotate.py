"""Results drawn into video frames: the colours of a label map and their legend, boxes with names, a line of text."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor

# Twenty colours that differ in brightness as well as in hue, so that colour-blind readers can distinguish most of them:
# Okabe and Ito's, then Tol's muted colours and greys.
COLOURS = (
    "#707070", "#CC79A7", "#C8B89A", "#009E73", "#56B4E9", "#F0E442", "#0072B2", "#332288", "#D55E00", "#E69F00",
    "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#DDDDDD", "#333333",
)  # fmt: skip
BOX_COLOURS = 5  # index where Toytown's labels of things begin, so that boxes and labels have the same colours
LIGHT = 170  # grey value; words on lighter colours are black
LEGIBLE = 12  # pixels; height of the smallest letters outside of the frame
SURE = 0.5  # boxes with at least this score are drawn and counted


def labels_over(frame: Tensor, labels: Tensor, strength: float = 0.55) -> Tensor:
    """Return a frame `(3, H, W)` uint8 tinted by its label map `(H, W)`; pixels with label 255 stay as they are.

    From the 21st class on the colours come again.
    """
    table = torch.tensor([ImageColor.getrgb(colour) for colour in COLOURS], dtype=torch.float32)
    known = labels < 255
    colours = table[labels.long() % len(table)].permute(2, 0, 1)
    mixed = (1 - strength) * frame + strength * colours
    return torch.where(known, mixed.round(), frame.float()).to(torch.uint8)


def boxes_over(frame: Tensor, detections: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    """Return a frame with its detections of at least score `SURE` drawn; on low or narrow frames without words.

    Args:
        frame: `(3, H, W)` uint8.
        detections: `boxes` (N, 4) xyxy in pixels, `labels` (N,) in 1..C, `scores` (N,).
        names: of the classes; label i is `names[i - 1]`.
    """
    chosen = detections["scores"] >= SURE
    image = Image.fromarray(frame.permute(1, 2, 0).cpu().numpy())
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=_text_size(frame))
    width = max(1, round(min(image.size) / 120))
    parts = (detections[name][chosen].tolist() for name in ("boxes", "labels", "scores"))
    for box, label, score in zip(*parts, strict=True):
        colour, words = COLOURS[(label + BOX_COLOURS) % len(COLOURS)], f"{names[label - 1]} {score:.0%}"
        draw.rectangle(box, outline=colour, width=width)
        if min(image.size) < 4 * font.size:
            continue
        left = max(0, min(box[0], image.width - font.getlength(words) - 1))
        place = draw.textbbox((left, box[1]), words, font=font, anchor="lb" if box[1] > 2 * font.size else "lt")
        draw.rectangle(place, fill=colour)
        light = ImageColor.getcolor(colour, "L") > LIGHT
        draw.text(place[:2], words, fill="black" if light else "white", font=font, anchor="lt")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def result_over(frame: Tensor, result: Any, names: Sequence[str]) -> Tensor:
    """Return a frame with the result of a task network's `decode` drawn over it: a label map, or detections."""
    return labels_over(frame, result) if isinstance(result, Tensor) else boxes_over(frame, result, names)


def captioned(frame: Tensor, text: str, framed: bool = False) -> Tensor:
    """Return a frame `(3, H, W)` uint8 below a black line of text; `framed` adds a white border, for key frames.

    A frame too narrow for the text has only its first parts, which three spaces separate; a low one has no border.
    """
    band = _band(text, frame.shape[2], 2 * _text_size(frame, LEGIBLE))
    edge = max(2, round(min(frame.shape[1:]) / 60))
    if framed and min(frame.shape[1:]) > 6 * edge:
        frame = frame.clone()
        for side in (frame[:, :edge], frame[:, -edge:], frame[:, :, :edge], frame[:, :, -edge:]):
            side.fill_(255)
    return torch.cat([band, frame], 1)


def legend(names: Sequence[str], labels: Tensor, width: int) -> Tensor:
    """Draw the colours and names of the classes, `(3, h, width)` uint8, to stand below frames of any size.

    Of more classes than colours, those are named that occur, at most 20. Where a name is wider than the legend, h is 0.

    Args:
        names: of the classes.
        labels: the label map `(H, W)` of a frame, or those of all frames, `(B, H, W)`.
        width: width of all frames in pixels.
    """
    chosen = range(len(names))
    if len(names) > len(COLOURS):
        present = labels.flatten().bincount().nonzero().flatten().tolist()
        chosen = [label for label in present if label < min(len(names), 255)][: len(COLOURS)]
    size = _text_size(labels, LEGIBLE)
    cell = round(2.5 * size + max(map(ImageFont.load_default(size).getlength, names)))
    if cell > width:
        return torch.zeros(3, 0, width, dtype=torch.uint8)
    columns = width // cell
    rows = -(-min(len(names), len(COLOURS)) // columns)
    return _legend(tuple((label, names[label]) for label in chosen), rows, columns, width, size)


@lru_cache(maxsize=64)
def _legend(classes: Sequence[tuple[int, str]], rows: int, columns: int, width: int, size: int) -> Tensor:
    """Draw labels' colours and names into equal cells, row by row, with letters `size` pixels high."""
    line, margin = round(1.5 * size), size // 2
    image = Image.new("RGB", (width, rows * line + margin))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for place, (label, name) in enumerate(classes):
        x, y = margin + place % columns * (width // columns), margin + place // columns * line
        draw.rectangle((x, y, x + size, y + size), fill=COLOURS[label % len(COLOURS)], outline="white")
        draw.text((x + 1.5 * size, y + size / 2), name, fill="white", font=font, anchor="lm")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@lru_cache(maxsize=64)
def _band(text: str, width: int, height: int) -> Tensor:
    image = Image.new("RGB", (width, height))
    font, parts = ImageFont.load_default(size=height / 2), text.split("   ")
    while parts and font.getlength("   ".join(parts)) > width - 2 * height / 3:
        parts.pop()
    ImageDraw.Draw(image).text((height / 3, height / 2), "   ".join(parts), fill="white", font=font, anchor="lm")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _text_size(frame: Tensor, least: int = 8) -> int:
    return max(least, round(min(frame.shape[-2:]) / 24))
