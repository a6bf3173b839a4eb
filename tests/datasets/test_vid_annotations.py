"""Boxes of ImageNet VID and DET from XML, and errors for wrong, cut or hostile files."""

import pytest
import torch
from PIL import Image
from vid_tree import ANNOTATION, CROQUET_BALL, DOG, thing, write_annotation, write_text

from dffkit.datasets.vid_annotations import CLASS_OF_SYNSET, CLASSES, read_annotation
from dffkit.support.errors import DataError

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [
  <!ENTITY a "lol">
  <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
  <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
  <!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
]>
<annotation><size><width>64</width><height>32</height></size><folder>&d;</folder></annotation>"""
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE annotation [<!ENTITY secret SYSTEM "{}">]>
<annotation><size><width>64</width><height>32</height></size><folder>&secret;</folder></annotation>"""
OUTSIDE_TYPE = """<!DOCTYPE annotation SYSTEM "{}">
<annotation><size><width>64</width><height>32</height></size></annotation>"""


def test_there_are_thirty_classes_in_the_order_of_the_development_kit():
    assert len(CLASSES) == len(set(CLASSES)) == len(CLASS_OF_SYNSET) == 30
    assert sorted(CLASSES) == list(CLASSES)
    assert (CLASSES[0], CLASSES[8], CLASSES[29]) == ("airplane", "dog", "zebra")


def test_objects_of_a_video_have_boxes_labels_and_tracks(tmp_path):
    path = write_annotation(tmp_path / "a.xml", thing(track=7, occluded=1), thing((0, 0, 0, 0), DOG, 2, generated=1))
    target, skipped = read_annotation(path, video=True)
    assert target["boxes"].dtype == torch.float32
    assert target["boxes"].tolist() == [[10, 5, 20, 15], [0, 0, 1, 1]]  # the last pixel belongs to the box
    assert target["labels"].dtype == target["tracks"].dtype == torch.int64
    assert target["labels"].tolist() == [1, 9]
    assert target["tracks"].tolist() == [7, 2]
    assert skipped == 0


@pytest.mark.parametrize("video", [True, False])
def test_frame_may_be_empty(tmp_path, video):
    target, skipped = read_annotation(write_annotation(tmp_path / "a.xml"), video)
    assert skipped == 0
    assert target["boxes"].shape == (0, 4)
    assert all(len(values) == 0 for values in target.values())
    assert ("tracks" in target) == video


def test_objects_of_other_classes_in_stills_are_skipped_and_counted(tmp_path):
    things = [thing(name=CROQUET_BALL, track=None), thing(name=DOG, track=None), thing(name="n00007846", track=None)]
    target, skipped = read_annotation(write_annotation(tmp_path / "a.xml", *things), video=False)
    assert target["labels"].tolist() == [9]
    assert skipped == 2
    assert "tracks" not in target


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ((0, 0, 63, 31), [0, 0, 64, 32]),
        ((54, 22, 64, 32), [54, 22, 64, 32]),
        ((-3, -1, 5, 6), [0, 0, 6, 7]),
        ((63, 31, 70, 40), [63, 31, 64, 32]),
        ((1.5, 2, 3.25, 4), [1.5, 2, 4.25, 5]),
    ],
)
def test_box_is_clipped_to_the_frame(tmp_path, box, clipped):
    target, _ = read_annotation(write_annotation(tmp_path / "a.xml", thing(box)), video=True)
    assert target["boxes"].tolist() == [clipped]


@pytest.mark.parametrize("box", [(64, 0, 70, 5), (0, 32, 5, 40), (-9, 0, -1, 5), (0, -9, 5, -1)])
def test_box_outside_the_frame_is_refused(tmp_path, box):
    path = write_annotation(tmp_path / "a.xml", thing(box))
    with pytest.raises(DataError, match=r"a.xml: <bndbox>: expected a box in the frame of 64 x 32, got .*; compare it"):
        read_annotation(path, video=True)


def test_shares_of_the_frame_are_no_pixels(tmp_path):
    path = write_annotation(tmp_path / "a.xml", thing((0.25, 0.5, 0.75, 1)))
    with pytest.raises(DataError, match=r"a.xml: <bndbox>: expected .*, got 0.25 0.5 0.75 1, which are no pixels"):
        read_annotation(path, video=True)


@pytest.mark.parametrize("box", [(20, 5, 19, 14), (10, 15, 19, 14), (19, 5, 10, 14)])
def test_empty_box_is_refused(tmp_path, box):
    path = write_annotation(tmp_path / "a.xml", thing(box))
    with pytest.raises(DataError, match=rf"a.xml: <bndbox>: expected a box.*got {' '.join(map(str, box))}; compare it"):
        read_annotation(path, video=True)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("<annotation>", "<comment>", "expected the root <annotation>, got <comment>"),
        ("<size>", "<sizes>", "<annotation>: expected a <size> in it"),
        ("<width>64</width>", "", "<size>: expected a <width> in it"),
        ("<height>32</height>", "<height/>", "<height>: expected a whole number, got ''"),
        ("<width>64</width>", "<width>64.5</width>", "<width>: expected a whole number, got '64.5'"),
        ("<name>n02691156</name>", "", "<object>: expected a <name> in it"),
        ("<name>n02691156</name>", "<name>plane</name>", "<name>: expected one of VID's 30 synsets.*got 'plane'"),
        ("<xmin>10</xmin>", "", "<bndbox>: expected a <xmin> in it"),
        ("<xmin>10</xmin>", "<xmin>ten</xmin>", "<xmin>: expected a number, got 'ten'"),
        ("<xmax>19</xmax>", "<xmax>nan</xmax>", "<xmax>: expected a number, got 'nan'"),
        ("<ymax>14</ymax>", "<ymax>inf</ymax>", "<ymax>: expected a number, got 'inf'"),
        ("bndbox>", "box>", "<object>: expected a <bndbox> in it"),
        ("<trackid>0</trackid>", "", "<object>: expected a <trackid> in it"),
        ("<trackid>0</trackid>", "<trackid>x</trackid>", "<trackid>: expected a whole number, got 'x'"),
    ],
)
def test_missing_or_wrong_element_is_reported(tmp_path, was, becomes, said):
    text = ANNOTATION.format(thing())
    assert was in text
    changed = text.replace(was, becomes).replace(was.replace("<", "</"), becomes.replace("<", "</"))
    path = write_text(tmp_path / "a.xml", changed)
    with pytest.raises(DataError, match=rf"a.xml: {said}; compare it with the official file"):
        read_annotation(path, video=True)


@pytest.mark.parametrize("digits", ["9" * 19, "-" + "9" * 400, "1" * 5000])
def test_number_beyond_int64_is_reported(tmp_path, digits):
    path = write_annotation(tmp_path / "a.xml", thing(track=digits))
    with pytest.raises(DataError, match=r"a.xml: <trackid>: expected a (number below 2\*\*63|whole number), got"):
        read_annotation(path, video=True)


@pytest.mark.parametrize(("size", "agrees"), [((64, 32), True), ((32, 64), False), ((64, 31), False)])
def test_image_of_another_size_is_reported(tmp_path, size, agrees):
    path, image = write_annotation(tmp_path / "a.xml", thing()), tmp_path / "a.JPEG"
    Image.new("RGB", size).save(image)
    if agrees:
        assert len(read_annotation(path, video=True, image=image)[0]["boxes"]) == 1
        return
    said = rf"a.xml: is of an image of 64x32, but .*a.JPEG has {size[0]}x{size[1]}, so .*; get both again"
    with pytest.raises(DataError, match=said):
        read_annotation(path, video=True, image=image)


def test_another_class_is_refused_in_video(tmp_path):
    path = write_annotation(tmp_path / "a.xml", thing(name=CROQUET_BALL))
    with pytest.raises(DataError, match=f"expected one of VID's 30 synsets, got '{CROQUET_BALL}'"):
        read_annotation(path, video=True)


def test_name_that_is_no_synset_is_refused_in_stills(tmp_path):
    path = write_annotation(tmp_path / "a.xml", thing(name="n123", track=None))
    with pytest.raises(DataError, match="expected one of VID's 30 synsets or another, got 'n123'"):
        read_annotation(path, video=False)


def test_two_objects_of_one_track_are_refused(tmp_path):
    path = write_annotation(tmp_path / "a.xml", thing(track=4), thing(track=4))
    with pytest.raises(DataError, match=r"<trackid>: expected another for each object, got \[4, 4\]"):
        read_annotation(path, video=True)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8-sig"), ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16"), ("", "utf-16"),
     ('<?xml version="1.0" encoding="iso-8859-1"?>', "latin-1")],
)  # fmt: skip
def test_encodings_of_xml_are_read(tmp_path, head, encoding):
    text = head + ANNOTATION.format(thing()).replace("somewhere", "Grünau")
    (tmp_path / "a.xml").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read_annotation(tmp_path / "a.xml", video=True)[0]["boxes"].tolist() == [[10, 5, 20, 15]]


@pytest.mark.parametrize("attack", [BOMB, EXTERNAL, OUTSIDE_TYPE])
def test_entities_and_document_types_are_refused(tmp_path, attack):
    secret = write_text(tmp_path / "secret.txt", "secret")
    path = write_text(tmp_path / "a.xml", attack.replace("{}", secret.as_uri()))
    with pytest.raises(DataError, match=r"a.xml: has a document type or entities.*get the official file"):
        read_annotation(path, video=True)


@pytest.mark.parametrize("share", [0, 0.3, 0.98])
def test_cut_file_is_refused(tmp_path, share):
    text = ANNOTATION.format(thing())
    path = write_text(tmp_path / "a.xml", text[: int(share * len(text))])
    with pytest.raises(DataError, match=r"a.xml: is damaged or no XML: .*get the file again"):
        read_annotation(path, video=True)


def test_other_bytes_and_encodings_are_refused(tmp_path):
    (tmp_path / "a.xml").write_bytes(b"\xff\xd8\xff\xe0 an image")
    (tmp_path / "b.xml").write_text('<?xml version="1.0" encoding="klingon"?><annotation/>')
    (tmp_path / "c.xml").mkdir()
    for name in "abc":
        with pytest.raises(DataError, match=rf"{name}.xml: .*; (get|compare)"):
            read_annotation(tmp_path / f"{name}.xml", video=True)


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"a.xml: no such file; is the data set complete\?"):
        read_annotation(tmp_path / "a.xml", video=True)
