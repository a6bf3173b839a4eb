"""Results drawn into video frames: the colours of a label map, boxes with class names, and a line of text."""

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
SURE = 0.5  # boxes with at least this score are drawn and counted


def labels_over(frame: Tensor, labels: Tensor, strength: float = 0.55) -> Tensor:
    """Return a frame `(3, H, W)` uint8 tinted by its label map `(H, W)`; pixels with label 255 stay as they are."""
    table = torch.tensor([ImageColor.getrgb(colour) for colour in COLOURS], dtype=torch.float32)
    known = labels < len(table)
    colours = table[torch.where(known, labels, 0).long()].permute(2, 0, 1)
    mixed = (1 - strength) * frame + strength * colours
    return torch.where(known, mixed.round(), frame.float()).to(torch.uint8)


def boxes_over(frame: Tensor, detections: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    """Return a frame with its detections of at least score `SURE` drawn.

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
        place = draw.textbbox((box[0], box[1]), words, font=font, anchor="lb" if box[1] > 2 * font.size else "lt")
        draw.rectangle(place, fill=colour)
        draw.text(place[:2], words, fill="white", font=font, anchor="lt")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def result_over(frame: Tensor, result: Any, names: Sequence[str]) -> Tensor:
    """Return a frame with the result of a task network's `decode` drawn over it: a label map, or detections."""
    return labels_over(frame, result) if isinstance(result, Tensor) else boxes_over(frame, result, names)


def captioned(frame: Tensor, text: str, framed: bool = False) -> Tensor:
    """Return a frame `(3, H, W)` uint8 below a black line of text; `framed` adds a white border, for key frames."""
    band = _band(text, frame.shape[2], round(2 * _text_size(frame)))
    frame = frame.clone()
    if framed:
        edge = max(2, round(min(frame.shape[1:]) / 60))
        for side in (frame[:, :edge], frame[:, -edge:], frame[:, :, :edge], frame[:, :, -edge:]):
            side.fill_(255)
    return torch.cat([band, frame], 1)


@lru_cache(maxsize=64)
def _band(text: str, width: int, height: int) -> Tensor:
    image = Image.new("RGB", (width, height))
    font = ImageFont.load_default(size=height / 2)
    ImageDraw.Draw(image).text((height / 3, height / 2), text, fill="white", font=font, anchor="lm")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _text_size(frame: Tensor) -> int:
    return max(8, round(min(frame.shape[1:]) / 24))
