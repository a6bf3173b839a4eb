"""annotate.py: results are drawn at their pixels, and other pixels stay."""

import pytest
import torch

from dffkit.datasets.toytown import CLASSES
from dffkit.experiments.annotate import COLOURS, boxes_over, captioned, labels_over, result_over
from dffkit.lessons.clip_pictures import COLOURS as TOYTOWN

FRAME = torch.randint(0, 256, (3, 60, 80), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def rgb(colour):
    return torch.tensor(list(bytes.fromhex(colour[1:])), dtype=torch.float32)


def test_a_label_map_colours_its_pixels_but_not_those_of_label_255():
    labels = torch.full((60, 80), 255, dtype=torch.uint8)
    labels[10:20, 30:40] = 3
    drawn = labels_over(FRAME, labels, strength=0.5)
    inside = (FRAME[:, 10:20, 30:40].float() + rgb(COLOURS[3]).view(3, 1, 1)) / 2
    assert (drawn[:, 10:20, 30:40].float() - inside).abs().max() <= 0.5
    known = labels != 255
    assert torch.equal(drawn[:, ~known], FRAME[:, ~known])


def test_boxes_that_are_sure_are_drawn_on_their_edges():
    boxes = torch.tensor([[10.0, 20, 50, 55], [60, 5, 75, 15]])
    found = {"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.3])}
    drawn = boxes_over(FRAME, found, ("car", "truck"))
    colour = rgb(COLOURS[6]).byte()
    for x, y in ((10, 40), (50, 40), (30, 55)):
        assert torch.equal(drawn[:, y, x], colour)
    assert torch.equal(drawn[:, 30:50, 20:40], FRAME[:, 30:50, 20:40])  # inside
    assert torch.equal(drawn[:, :16, 58:], FRAME[:, :16, 58:])  # the one that is not sure
    found["scores"][1] = 0.5
    assert not torch.equal(boxes_over(FRAME, found, ("car", "truck"))[:, :16, 58:], FRAME[:, :16, 58:])


def test_a_frame_without_detections_stays():
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "scores": torch.zeros(0)}
    assert torch.equal(result_over(FRAME, nothing, CLASSES), FRAME)


def test_a_box_at_the_upper_border_keeps_its_name_in_the_frame():
    box = {"boxes": torch.tensor([[10.0, 0, 60, 50]]), "labels": torch.tensor([1]), "scores": torch.tensor([1.0])}
    drawn = boxes_over(FRAME, box, CLASSES)
    assert torch.equal(drawn[:, 3, 12], rgb(COLOURS[6]).byte())  # the name's ground


@pytest.mark.parametrize("framed", [False, True])
def test_a_caption_is_above_the_frame_and_key_frames_are_framed(framed):
    drawn = captioned(FRAME, "frame 3", framed)
    height = drawn.shape[1] - FRAME.shape[1]
    assert height > 0
    assert drawn[:, :height].max() > 128  # the text
    below = drawn[:, height:]
    assert torch.equal(below[:, 5:-5, 5:-5], FRAME[:, 5:-5, 5:-5])
    assert bool((below[:, :, 0] == 255).all()) == framed
    assert torch.equal(below, FRAME) != framed


def test_captions_differ():
    assert not torch.equal(captioned(FRAME, "Frame"), captioned(FRAME, "DFF"))


def test_toytowns_boxes_have_the_colours_of_its_labels():
    box = {"boxes": torch.tensor([[10.0, 20, 50, 55]]), "labels": torch.tensor([4]), "scores": torch.tensor([1.0])}
    assert torch.equal(boxes_over(FRAME, box, CLASSES)[:, 55, 30], rgb(TOYTOWN["cyclist"]).byte())
