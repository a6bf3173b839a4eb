"""MOTChallenge: videos of people with boxes, as folders of images or as a video file with a `gt.txt` beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.mot_annotations import Annotation, clipped, read
from dffkit.datasets.mot_videos import Size, images, sequences, video
from dffkit.datasets.on_demand import Frames, OnDemand
from dffkit.datasets.resized import resized_frame
from dffkit.datasets.skipped_records import say, tell
from dffkit.datasets.snippets import Snippet, motion_iou
from dffkit.support.errors import DataError

CLASSES = ("person",)
PERSON = 1


def snippets(
    source: Path,
    *,
    frames: range | Sequence[range] | None = None,
    annotated_size: Size | None = None,
    size: Size | None = None,
    outside: str = "raise",
) -> list[Snippet]:
    """The snippets of MOTChallenge data.

    A target is {"boxes": (N, 4) float32 xyxy in pixels of the frame, x2 and y2 exclusive; "labels": (N,) int64, all 1;
    "tracks": (N,) int64; "ignore": (R, 4)}. The frames up to the last with a box are annotated; one of them without
    has no person. A `SkippedRecords` warning tells what does not count: how many boxes are regions to be ignored or of
    other things, and how many frames come after the last box. Images are read when they are asked for. A video file is
    decoded into memory, once for all snippets that are in use at the same time.

    Args:
        source: a sequence's folder (`img1/`, `gt/gt.txt`, `seqinfo.ini`), a folder of such, or a video file with its
            `gt.txt` beside it.
        frames: the part of each video that becomes a snippet, as indices from 0; or several parts; None for all of it.
        annotated_size: (H, W) of the picture in which the boxes were drawn; None for what `seqinfo.ini` says, and for a
            video file its own size.
        size: (H, W) to which frames and boxes are scaled; None for their own.
        outside: what becomes of a box that lies outside the picture: "raise", or "drop" to leave it out with a warning.

    Raises:
        DataError: if something is missing, damaged, or does not fit together; it names the file and the line.
        ValueError: for a wrong option, or a part that the video does not have.
    """
    if outside not in ("raise", "drop"):
        raise ValueError(f"outside: expected 'raise' or 'drop', got {outside!r}")
    source = Path(source)
    recordings = [_recording(place, annotated_size, size, outside) for place in sequences(source)]
    parts = [frames] if isinstance(frames, range) else frames
    wanted = [(recording, part) for recording in recordings for part in ([None] if parts is None else parts)]
    found = [_snippet(*each) for each in wanted]
    tell(source, sum((_left_out(*each) for each in wanted), Counter()))
    return found


@dataclass(frozen=True)
class _Recording:
    """A whole video; `targets` and `tracks` of the annotated frames, from the first on.

    `others` counts the boxes of other things in each frame.
    """

    name: str
    fps: float
    frames: Sequence[Tensor]
    targets: Sequence[dict[str, Tensor]]
    tracks: Sequence[Mapping[int, Tensor]]
    others: Counter[int]


def _snippet(recording: _Recording, part: range | None) -> Snippet:
    whole = range(len(recording.frames))
    if part is not None and (len(part) == 0 or part.step != 1 or part[0] < 0 or part[-1] not in whole):
        raise ValueError(f"frames: expected a part of {whole} without steps, got {part}")
    name = recording.name if part is None else f"{recording.name}[{part.start}:{part.stop}]"
    part = whole if part is None else part
    annotated = [i for i, frame in enumerate(part) if frame < len(recording.targets)]

    def motion(i: int) -> Tensor:
        iou = motion_iou(recording.tracks, part[i])
        return torch.tensor([iou[track] for track in recording.targets[part[i]]["tracks"].tolist()])

    return Snippet(
        name,
        recording.fps,
        Frames(lambda i: recording.frames[part[i]], len(part)),
        OnDemand(lambda i: recording.targets[part[i]], annotated),
        OnDemand(motion, annotated),
    )


def _left_out(recording: _Recording, part: range | None) -> Counter[str]:
    """What of a part of a video does not count, and how much of it."""
    part = range(len(recording.frames)) if part is None else part
    annotated = [frame for frame in part if frame < len(recording.targets)]
    ignored = sum(len(recording.targets[frame]["ignore"]) for frame in annotated)
    counts = {
        "boxes are regions to be ignored (not to be scored, or of what looks like people)": ignored,
        "boxes of other things than people are left out": sum(recording.others[frame] for frame in part),
        "frames after the last box have no target": len(part) - len(annotated),
    }
    return Counter(counts)


def _recording(source: Path, annotated: Size | None, size: Size | None, outside: str) -> _Recording:
    if source.is_dir():
        frames, fps, drawn_in = images(source)
        file = source / "gt" / "gt.txt"
    else:
        frames, fps, drawn_in = video(source)
        file = source.parent / "gt.txt"
    size = tuple(size or frames[0].shape[1:])
    annotations, boxes, others = _checked(file, len(frames), annotated or drawn_in, size, outside)
    count = 1 + max((annotation.frame for annotation in annotations), default=-1)
    rows = [[] for _ in range(count)]
    for annotation, box in zip(annotations, boxes, strict=True):
        rows[annotation.frame].append((annotation, box))
    targets = [_target(row) for row in rows]
    # Regions too: a person who is to be ignored in one frame may count in the next.
    tracks = [{annotation.track: box for annotation, box in row} for row in rows]
    # A dot in a folder's name is no ending: seq.1 and seq.2 are two sequences.
    name = source.absolute().name if source.is_dir() else source.stem
    scaled = Frames(lambda i: resized_frame(frames[i], size), len(frames))
    return _Recording(name, fps, scaled, targets, tracks, Counter(other.frame for other in others))


def _checked(
    file: Path, count: int, annotated: Size, size: Size, outside: str
) -> tuple[list[Annotation], Tensor, list[Annotation]]:
    """The annotations of a video of `count` frames, and their boxes in its frames; and those of other things."""
    annotations, others = read(file)
    for annotation in (*annotations, *others):
        if annotation.frame >= count:
            raise DataError(
                f"{file}:{annotation.line}: names frame {annotation.frame + 1}, but the video has {count}; do they "
                "belong together, and is the video whole?"
            )
    boxes, inside = clipped(annotations, annotated, size)
    if not inside.all():
        first = annotations[int(inside.int().argmin())]
        what = f"has {int((~inside).sum())} boxes outside the picture of {annotated[1]}x{annotated[0]}"
        if outside == "raise":
            remedy = "is annotated_size right? Then leave them out by outside='drop'"
            raise DataError(f"{file}:{first.line}: {what}, this is the first; {remedy}")
        say(file, f"{what}, which are left out", stacklevel=5)
        annotations = [annotation for annotation, there in zip(annotations, inside, strict=True) if there]
    return annotations, boxes[inside], others


def _target(row: Sequence[tuple[Annotation, Tensor]]) -> dict[str, Tensor]:
    def stacked(ignore: bool) -> Tensor:
        boxes = [box for annotation, box in row if annotation.ignore == ignore]
        return torch.stack(boxes) if boxes else torch.zeros(0, 4)

    tracks = torch.tensor([annotation.track for annotation, _ in row if not annotation.ignore], dtype=torch.int64)
    boxes = stacked(ignore=False)
    return {
        "boxes": boxes, "labels": torch.full((len(boxes),), PERSON), "tracks": tracks, "ignore": stacked(ignore=True),
    }  # fmt: skip
