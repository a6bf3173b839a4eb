"""Every reader of files from outside: small valid files, and what a value of the right form is.

A new reader is an entry of `READERS`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from dataset_readers import (
    make_camvid,
    make_chairs,
    make_city,
    make_mot,
    make_vid,
    make_xml,
    read_camvid,
    read_chairs,
    read_city,
    read_mot,
    read_vid,
    read_xml,
)  # fmt: skip
from media_readers import (
    inside_png,
    make_folder,
    make_images,
    make_labels,
    make_videos,
    read_image,
    read_stream,
    read_video,
)
from right_form import check_labels, check_state
from weights_readers import (
    inside_manifest,
    inside_zip,
    make_checkpoint,
    make_params,
    make_results,
    make_trained,
    make_weights,
    read_checkpoint,
    read_listed_tensors,
    read_results,
    read_trained,
    read_weights,
)  # fmt: skip

from dffkit.datasets.images import read_labels
from dffkit.weights.authors import params


class Reader(NamedTuple):
    """A reader.

    Attributes:
        make: writes valid files into a folder, and returns those that are to be damaged.
        read: reads a damaged one, and asserts that what comes has the right form.
        inside: returns a part of a file's bytes, and what makes a whole file of it again with right checksums, so that
            damage reaches what lies behind them.
        is_quiet: nothing may appear on standard error. FFmpeg would write a line for each damaged piece; a few lines of
            Pillow about a damaged image are no harm.
    """

    make: Callable[[Path], Sequence[Path]]
    read: Callable[[Path], Any]
    inside: Callable[[bytes, Random], tuple[bytes, Callable[[bytes], bytes]]] | None = None
    is_quiet: bool = False


READERS = {
    "video": Reader(make_videos, read_video, is_quiet=True),
    "stream of a video": Reader(make_videos, read_stream, is_quiet=True),
    "stream of an image": Reader(make_images, read_stream),
    "folder of images": Reader(make_folder, lambda path: read_stream(path.parent), inside_png),
    "frame": Reader(make_images, read_image, inside_png),
    "labels": Reader(make_labels, lambda path: check_labels(read_labels(path)), inside_png),
    "MOTChallenge": Reader(make_mot, read_mot),
    "ImageNet VID": Reader(make_vid, read_vid),
    "annotation": Reader(make_xml, read_xml),
    "Cityscapes": Reader(make_city, read_city, inside_png),
    "CamVid": Reader(make_camvid, read_camvid, inside_png),
    "FlyingChairs": Reader(make_chairs, read_chairs),
    "weights": Reader(make_weights, read_weights, inside_manifest),
    "listed tensors": Reader(lambda folder: make_weights(folder)[1:], read_listed_tensors),
    "authors' params": Reader(make_params, lambda path: check_state(params.read(path))),
    "checkpoint": Reader(make_checkpoint, read_checkpoint, inside_zip),
    "trained run": Reader(make_trained, read_trained, inside_zip),
    "results": Reader(make_results, read_results, inside_zip),
}
