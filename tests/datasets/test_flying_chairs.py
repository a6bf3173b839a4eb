"""FlyingChairs: flow from image 1 to image 2, the official split, and errors for wrong files."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.datasets.flying_chairs import SPLIT_FILE, FlyingChairs, batches, read_flo
from dffkit.scores import flow_error
from dffkit.support.errors import DataError
from dffkit.warp import flow_to_cells

HEIGHT, WIDTH = SIZE = (32, 48)
RNG = np.random.default_rng(0)


def flo(path, flow, header=None):
    """Write flow `(2, H, W)` as a .flo file, byte by byte as Middlebury describes it."""
    height, width = flow.shape[1:]
    values = [flow[c, y, x] for y in range(height) for x in range(width) for c in range(2)]
    path.write_bytes(
        (header or struct.pack("<fii", 202021.25, width, height)) + struct.pack(f"<{len(values)}f", *values)
    )


def pair(folder, number, size=SIZE, flow=None):
    folder.mkdir(parents=True, exist_ok=True)
    images = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(2)]
    for i, image in enumerate(images, 1):
        Image.fromarray(image).save(folder / f"{number:05d}_img{i}.ppm")
    flow = RNG.normal(0, 3, (2, *size)).astype(np.float32) if flow is None else flow
    flo(folder / f"{number:05d}_flow.flo", flow)
    return (*(torch.from_numpy(image).permute(2, 0, 1) for image in images), torch.from_numpy(flow))


@pytest.mark.parametrize("place", ["", "data"])
def test_pair_has_the_content_of_its_files(tmp_path, place):
    written = {number: pair(tmp_path / place, number) for number in (10, 9, 12345)}
    chairs = FlyingChairs(tmp_path)
    assert len(chairs) == 3
    for read, number in zip(chairs, (9, 10, 12345), strict=True):
        for tensor, expected in zip(read[:3], written[number], strict=True):
            assert torch.equal(tensor, expected)
            assert tensor.is_contiguous()
        assert (read.flow.dtype, read.occluded.dtype) == (torch.float32, torch.bool)
        assert read.occluded.shape == SIZE
        assert not read.occluded.any()


def test_flo_stores_x_before_y_and_row_after_row(tmp_path):
    flow = np.zeros((2, 2, 3), np.float32)
    flow[0, 0, 1], flow[1, 1, 2] = 5, -7
    flo(tmp_path / "a.flo", flow)
    values = struct.unpack("<12f", (tmp_path / "a.flo").read_bytes()[12:])
    assert (values[2], values[11]) == (5, -7)
    assert torch.equal(read_flo(tmp_path / "a.flo"), torch.from_numpy(flow))


@pytest.mark.parametrize(("place", "text"), [("", "2\n2\n1\n1\n2\n"), ("data", "\ufeff2\r\n2\r\n1 \r\n1\r\n2\r\n\r\n")])
def test_official_split_is_by_number(tmp_path, place, text):
    for number in (1, 3, 4):
        pair(tmp_path / "data", number)
    (tmp_path / place / SPLIT_FILE).write_bytes(text.encode())
    for split, numbers in (("train", ["00003", "00004"]), ("val", ["00001"]), (None, ["00001", "00003", "00004"])):
        assert [files[0].name[:5] for files in FlyingChairs(tmp_path, split).files] == numbers


def test_split_without_its_file_is_refused(tmp_path):
    pair(tmp_path, 1)
    with pytest.raises(DataError, match=rf"{tmp_path / SPLIT_FILE}: no such file; get it .* or ask for all pairs"):
        FlyingChairs(tmp_path, "val")
    (tmp_path / SPLIT_FILE).write_text("2\n3\n")
    with pytest.raises(DataError, match=rf"{SPLIT_FILE}:2: expected 1 \(train\) or 2 \(val\), got '3'"):
        FlyingChairs(tmp_path, "val")
    pair(tmp_path, 3)
    (tmp_path / SPLIT_FILE).write_text("2\n2\n")
    with pytest.raises(DataError, match=f"{SPLIT_FILE}: has 2 lines, but there is a pair 3"):
        FlyingChairs(tmp_path, "val")
    (tmp_path / SPLIT_FILE).write_bytes(b"2\n\xff\n1\n")
    with pytest.raises(DataError, match=f"{SPLIT_FILE}: is no text in UTF-8: .*; get it from"):
        FlyingChairs(tmp_path, "val")
    (tmp_path / SPLIT_FILE).unlink()
    (tmp_path / SPLIT_FILE).mkdir()
    with pytest.raises(DataError, match=f"{SPLIT_FILE}: is no text in UTF-8: .*; get it from"):
        FlyingChairs(tmp_path, "val")
    with pytest.raises(ValueError, match="split: expected one of train, val, or None for all, got 'test'"):
        FlyingChairs(tmp_path, "test")


@pytest.mark.parametrize("part", ["img1.ppm", "img2.ppm", "flow.flo"])
def test_missing_file_of_a_pair_is_reported(tmp_path, part):
    pair(tmp_path, 1)
    pair(tmp_path, 2)
    (tmp_path / f"00002_{part}").unlink()
    with pytest.raises(DataError, match=f"00002_{part}: no such file, but others of this pair"):
        FlyingChairs(tmp_path)


def test_folder_without_pairs_is_reported(tmp_path):
    (tmp_path / "00001.ppm").write_bytes(b"")
    with pytest.raises(DataError, match=r"has no pair .*; is this the right folder"):
        FlyingChairs(tmp_path)
    with pytest.raises(DataError, match="missing: no such folder"):
        FlyingChairs(tmp_path / "missing")


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (struct.pack("<fii", 202021.0, 3, 2), "is no .flo file: it begins with"),
        (struct.pack(">fii", 202021.25, 3, 2), "is no .flo file: it begins with"),
        (b"PIEH\x03", r"says \d+x\d+"),
        (struct.pack("<fii", 202021.25, 2, 3) + b"\0", "says 2x3, which are 60 bytes, but has 61"),
        (struct.pack("<fii", 202021.25, 3, 3), "says 3x3, which are 84 bytes, but has 60"),
        (struct.pack("<fii", 202021.25, -3, -2), "says -3x-2"),
        (struct.pack("<fii", 202021.25, 0, 2), "says 0x2"),
        (struct.pack("<fii", 202021.25, 2**30, 2**30), "says 1073741824x"),  # without allocating that much
    ],
)
def test_wrong_flo_is_refused(tmp_path, header, named):
    path = tmp_path / "a.flo"
    flo(path, np.zeros((2, 2, 3), np.float32), header)
    with pytest.raises(DataError, match=rf"a\.flo: {named}.*; get "):
        read_flo(path)


def test_cut_or_missing_flo_is_refused(tmp_path):
    path = tmp_path / "a.flo"
    with pytest.raises(DataError, match=r"a\.flo: no such file"):
        read_flo(path)
    flo(path, np.zeros((2, 2, 3), np.float32))
    content = path.read_bytes()
    for length in (0, 3, 11, 12, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"a\.flo: (is no .flo file|says 3x2, which are 60 bytes, but has)"):
            read_flo(path)


@pytest.mark.parametrize("value", [1e10, -1.1e9, float("nan"), float("inf")])
def test_unknown_flow_is_refused(tmp_path, value):
    flow = np.zeros((2, 2, 3), np.float32)
    flow[1, 1, 1] = value
    flo(tmp_path / "a.flo", flow)
    with pytest.raises(DataError, match=r"a\.flo: has pixels whose flow is unknown"):
        read_flo(tmp_path / "a.flo")


def test_files_of_different_sizes_are_refused(tmp_path):
    pair(tmp_path, 1)
    Image.new("RGB", (WIDTH, 8)).save(tmp_path / "00001_img2.ppm")
    with pytest.raises(DataError, match=r"00001_img2\.ppm: expected the size \(32, 48\) of 00001_img1\.ppm, got"):
        FlyingChairs(tmp_path)[0]
    pair(tmp_path, 1)
    flo(tmp_path / "00001_flow.flo", np.zeros((2, WIDTH, HEIGHT), np.float32))
    with pytest.raises(DataError, match=r"00001_flow\.flo: expected the size .* got \(48, 32\)"):
        FlyingChairs(tmp_path)[0]


def test_files_are_read_on_access_only(tmp_path):
    pair(tmp_path, 1)
    path = tmp_path / "00001_img1.ppm"
    path.write_bytes(path.read_bytes()[:-9])
    chairs = FlyingChairs(tmp_path)
    with pytest.raises(DataError, match=r"00001_img1\.ppm: can't be read"):
        chairs[0]


def test_flow_error_can_be_measured_on_the_pairs(tmp_path):
    """The error of the exact flow is 0, the error of zero flow is the mean length of the exact flow."""
    flows = [torch.full((2, *SIZE), float(number)) for number in range(1, 4)]
    for number, flow in enumerate(flows, 1):
        pair(tmp_path, number, flow=flow.numpy())
    chairs = FlyingChairs(tmp_path)
    assert [len(batch.flow) for batch in batches(chairs, 2)] == [2, 1]
    answers = iter(batches(chairs, 2))
    perfect = flow_error.endpoint_errors(lambda current, key: flow_to_cells(next(answers).flow), batches(chairs, 2))
    assert perfect == {"all": 0, "visible": 0}
    nothing = flow_error.endpoint_errors(lambda current, key: torch.zeros(len(key), 2, 2, 3), batches(chairs, 2))
    assert nothing["all"] == pytest.approx(2 * 2**0.5)


def backwards(image, flow):
    """Sample the image `(3, H, W)` where the flow points."""
    height, width = flow.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([(x + flow[0]) * 2 / (width - 1) - 1, (y + flow[1]) * 2 / (height - 1) - 1], 2)
    return F.grid_sample(image[None].float(), grid[None], align_corners=True, padding_mode="border")[0]


def test_real_pairs_point_from_image_1_into_image_2(real_data):
    chairs = FlyingChairs(real_data("flying_chairs"))
    assert len(chairs) == 4
    for current, key, flow, _ in chairs:
        assert flow.shape == (2, 384, 512)
        errors = {
            name: float((backwards(key, field) - current).abs().mean())
            for name, field in {"flow": flow, "none": 0 * flow, "reverse": -flow, "swapped": flow.flip(0)}.items()
        }
        assert min(errors, key=errors.get) == "flow"
        assert errors["flow"] < 0.7 * errors["none"]


def test_classical_flow_is_better_than_none_on_real_pairs(real_data):
    chairs = FlyingChairs(real_data("flying_chairs"))
    flow = flow_error.network_flow(ClassicalFlow())
    found = flow_error.endpoint_errors(flow, batches(chairs, 2))
    worst = flow_error.endpoint_errors(lambda current, key: torch.zeros(len(key), 2, 24, 32), batches(chairs, 2))
    assert found["all"] < worst["all"]
