"""annotate.py: results are drawn at their pixels, and other pixels stay."""

import pytest
import torch

from dffkit.datasets.toytown import CLASSES
from dffkit.experiments.annotate import COLOURS, boxes_over, captioned, labels_over, legend, result_over
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


def test_colours_come_again_beyond_their_number():
    labels = torch.arange(256).repeat(60, 1)[:, :80].to(torch.uint8)
    drawn = labels_over(FRAME, labels, strength=1)
    assert torch.equal(drawn[:, 0, 23], rgb(COLOURS[3]).byte())


def swatches(picture):
    """Positions in COLOURS of the colours in a legend."""
    present = {tuple(pixel.tolist()) for pixel in picture.flatten(1).unique(dim=1).T}
    return [index for index, colour in enumerate(COLOURS) if tuple(rgb(colour).byte().tolist()) in present]


@pytest.mark.parametrize("size", [(360, 480), (192, 384), (640, 360), (720, 1280), (16, 1800), (64, 2048), (1200, 120)])
def test_a_legend_has_all_colours_and_names_within_its_width(size):
    drawn = legend([f"class {index}" for index in range(12)], torch.zeros(size, dtype=torch.uint8), size[1])
    assert drawn.shape[::2] == (3, size[1])
    assert set(range(12)) <= set(swatches(drawn))
    assert not drawn[:, :, -4:].any()  # no name touches the border


def test_a_legend_of_many_classes_has_those_that_occur_and_a_constant_size():
    labels, names = torch.zeros(360, 480, dtype=torch.uint8), [str(index) for index in range(256)]
    few = legend(names, labels, 480)
    labels[:9], labels[9:20] = 213, 255
    more = legend(names, labels, 480)
    labels[:] = torch.arange(360 * 480).reshape(360, 480) % 255
    assert few.shape == more.shape == legend(names, labels, 480).shape
    assert 13 not in swatches(few)
    assert 13 in swatches(more)


def test_a_frame_too_narrow_for_names_has_no_legend():
    assert legend(["a very long name"], torch.zeros(400, 50, dtype=torch.uint8), 50).shape == (3, 0, 50)


def test_a_caption_has_the_parts_that_fit():
    narrow, whole = FRAME[:, :, :60], "DFF, l = 5   12.3 fps   key frame"
    assert torch.equal(captioned(narrow, whole), captioned(narrow, "DFF, l = 5"))
    assert not captioned(FRAME[:, :, :9], whole)[:, :-60].any()


def test_a_low_frame_has_no_border_and_its_boxes_no_words():
    low = FRAME[:, :12]
    assert torch.equal(captioned(low, "DFF", True), captioned(low, "DFF"))
    box = {"boxes": torch.tensor([[10.0, 2, 60, 8]]), "labels": torch.tensor([1]), "scores": torch.tensor([1.0])}
    drawn = boxes_over(low, box, CLASSES)
    assert torch.equal(drawn[:, :2], low[:, :2])
    assert torch.equal(drawn[:, 3:8, 11:60], low[:, 3:8, 11:60])


def test_the_name_of_a_box_at_the_right_border_is_whole():
    def ground(left):
        box = torch.tensor([[left, 30.0, left + 9, 50]])
        drawn = boxes_over(FRAME, {"boxes": box, "labels": torch.tensor([1]), "scores": torch.tensor([1.0])}, CLASSES)
        return (drawn[:, :30] == rgb(COLOURS[6]).view(3, 1, 1)).all(0).sum()

    assert ground(70) == ground(10) > 50


def test_words_on_light_colours_are_dark():
    box = {"boxes": torch.tensor([[10.0, 30, 60, 50]]), "labels": torch.tensor([20]), "scores": torch.tensor([1.0])}
    name = boxes_over(FRAME, box, [str(index) for index in range(20)])[:, 24:29, 12:30]
    assert name.float().mean(0).min() < 60
