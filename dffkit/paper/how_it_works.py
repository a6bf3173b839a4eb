"""The moving picture of the method: a film's frames, the flow field, a carried feature map, and the boxes, in step."""

from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw
from torch import Tensor

from dffkit import weights
from dffkit.dff import DeepFeatureFlow, KeyFrame
from dffkit.paper import ablation, moving_panels
from dffkit.paper.feature_maps import best_filter, class_share
from dffkit.paper.moving_panels import BACKGROUND, HORSE, PANEL, WHITE, Panel, font
from dffkit.paper.style import GREEN, GREY, ORANGE, SKY, flow_colours, flow_wheel
from dffkit.warp import propagate

FIRST, FRAMES, RATE = 10, 30, 3  # first frame of the film, number of frames, and how many of them are shown a second
DURATION = moving_panels.SETTING.duration
WHEEL = 56  # width in pixels of the key to the flow's colours


class Step(NamedTuple):
    """One frame of Algorithm 1 with everything that is computed on the way."""

    frame: int  # its index in the clip
    key_frame: int  # that of its key frame
    flow: Tensor | None  # (2, h, w) in cells; None on a key frame
    features: Tensor  # (C, h, w), the key frame's own or propagated ones
    boxes: dict[str, Tensor]  # the result


def write_how_it_works(folder: Path) -> list[Path]:
    """Write `how_it_works.webp` and its still for print; return both paths.

    Raises:
        DataError: if the stored weights are missing.
    """
    model = weights.load(ablation.recipe("handheld", "DFF").name)
    done = steps(model, [moving_panels.frame(HORSE, FIRST + index) for index in range(FRAMES)], DURATION)
    shares = torch.stack([moving_panels.film(HORSE).labels(FIRST + step.frame) > 0 for step in done])
    chosen = best_filter(torch.stack([step.features for step in done]), class_share(shares, 1))
    brightest = max(float(step.features[chosen].max()) for step in done)
    lengths = torch.cat([step.flow.norm(dim=0).flatten() for step in done if step.flow is not None])
    longest = float(lengths.quantile(0.98))  # by the maximum, a few long vectors would leave all others pale
    pictures = [moving_panels.picture(_panels(step, chosen, brightest, longest)) for step in done]
    return moving_panels.write(folder, "how_it_works", pictures, RATE, still=DURATION + DURATION // 2)


@torch.no_grad()
def steps(model: DeepFeatureFlow, clip: list[Tensor], duration: int) -> list[Step]:
    """Run Algorithm 1 on frames `(3, H, W)` and keep flow and features of each."""
    found: list[Step] = []
    key: KeyFrame | None = None
    for index, frame in enumerate(clip):
        since = index % duration
        if since == 0:
            flow, key = None, model.key_frame(frame[None])
            features = key.features
        else:
            flow, scale = model.flow_network(model.flow_network.prepare(frame[None]), key.flow_input)
            features = propagate(key.features, flow, scale)
        boxes = model.task_network.decode(model.task_network(features), frame.shape[1:])[0]
        found.append(Step(index, index - since, None if flow is None else flow[0], features[0], boxes))
    return found


def _panels(step: Step, chosen: int, brightest: float, longest: float) -> list[Panel]:
    """The four panels of a step."""
    is_key, frame = step.flow is None, moving_panels.frame(HORSE, FIRST + step.frame)
    words = {
        "frame": f"frame {step.frame}" + (":  key frame, N_feat runs" if is_key else ""),
        "flow": "flow" if is_key else f"flow from {step.frame} to key frame {step.key_frame}:  F runs",
        "map": f"feature map {chosen}, " + ("computed" if is_key else f"carried from {step.key_frame} along the flow"),
        "boxes": "result:  N_task runs on " + ("computed" if is_key else "carried") + " features",
    }
    colours = colormaps["viridis"](step.features[chosen].numpy() / brightest)
    return [
        Panel(moving_panels.frame_panel(frame), words["frame"], ORANGE if is_key else GREY, is_key),
        Panel(_flow_panel(step.flow, longest), words["flow"], GREY if is_key else GREEN, False),
        Panel(moving_panels.map_panel(colours), words["map"], ORANGE if is_key else GREEN, is_key),
        Panel(moving_panels.frame_panel(frame, step.boxes), words["boxes"], SKY, False),
    ]


def _flow_panel(flow: Tensor | None, longest: float) -> Image.Image:
    """A flow field in colours with their key, or a remark where there is none."""
    if flow is None:
        panel = Image.new("RGB", PANEL, BACKGROUND)
        middle = PANEL[0] / 2, PANEL[1] / 2
        ImageDraw.Draw(panel).text(middle, "none needed: it is the key frame itself", WHITE, font(17), anchor="mm")
        return panel
    panel = moving_panels.map_panel(flow_colours(flow, longest))
    wheel = Image.fromarray((255 * flow_wheel()).round().astype("uint8")).resize((WHEEL, WHEEL))
    panel.paste(wheel, (4, PANEL[1] - WHEEL - 4), wheel)
    return panel
