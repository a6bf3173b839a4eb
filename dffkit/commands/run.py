"""`python -m dffkit run INPUT`: recognize a video, and write it with the results drawn in."""

import argparse
import contextlib
import json
import os
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor
from tqdm import tqdm

from dffkit import weights
from dffkit.commands.cli import add_device, add_precision, add_threads, at_least
from dffkit.datasets.images import IMAGES
from dffkit.datasets.streams import CAMERA, FPS, FrameStream, TimedFrame, at_rate, frames
from dffkit.datasets.video_writer import VideoWriter, check_encoder
from dffkit.experiments import annotate
from dffkit.experiments.live_recognition import LiveRecognition
from dffkit.experiments.scoring import TABLE_4
from dffkit.networks.precision import resolve
from dffkit.support.errors import CommandError, DataError
from dffkit.support.machine import check_device, keep_freed_memory, use_threads
from dffkit.video import Recognition

TOYTOWN = "toytown"  # the rendered street, an input without a file
TOYTOWN_FRAMES, TOYTOWN_STREET = 150, 4
AGGREGATION = "handheld/fgfa"  # recipe of weights for --aggregate; none are shipped
LEGIBLE = 360  # pixels; frames with a shorter side below this are enlarged before results are drawn in ...
WIDE = 1920  # ... unless the longer side would be longer than this


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    parser.add_argument(
        "input", nargs="?", default=TOYTOWN, metavar="INPUT",
        help="a video file, a folder of images, camera:0, or toytown, a rendered street (default)",
    )  # fmt: skip
    parser.add_argument("--task", choices=TABLE_4, help="default: that of the weights, or segmentation")
    parser.add_argument(
        "--weights", metavar="NAME", help="shipped weights, or the folder of a run (default: toytown/TASK/dff)"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("-l", "--key-frame-duration", type=at_least(1), metavar="L", help="default: 5, for boxes 10")
    reach_help = f"aggregate features over K frames to each side (FGFA); needs --weights, a run of {AGGREGATION}"
    way.add_argument("--aggregate", type=at_least(0), metavar="K", help=reach_help)
    out = Path("annotated.mp4")
    parser.add_argument("--out", type=Path, default=out, metavar="FILE", help=f"default: {out}")
    parser.add_argument("--json", metavar="FILE", help="a line of results for each frame; - for standard output")
    compare_help = "per-frame recognition at the left, DFF (or FGFA) at the right"
    parser.add_argument("--compare", action="store_true", help=compare_help)
    parser.add_argument("--compare-with", metavar="NAME", help="the same, with these weights per frame")
    rate = f"frames a second of a folder of images (default: {FPS}), or of a camera (default: as they come)"
    parser.add_argument("--fps", type=float, metavar="RATE", help=rate)
    parser.add_argument("--frames", type=at_least(1), metavar="N", help=f"stop after N (toytown: {TOYTOWN_FRAMES})")
    scaling = "scale frames for the networks; default: as trained; 0: never"
    parser.add_argument("--short-side", type=at_least(0), metavar="N", help=scaling)
    add_precision(parser, "the shipped weights were scored in float32, and results in bfloat16 differ slightly")
    add_device(parser)
    add_threads(parser)
    parser.add_argument("--no-progress", action="store_true", help="show no bar")


def run_main(arguments: argparse.Namespace) -> int:
    """Recognize the video in `arguments.input`; return 0, 130 after Ctrl-C, or 1 if the video breaks off."""
    keep_freed_memory()
    use_threads(arguments.threads)
    warnings.showwarning = lambda message, *_: tqdm.write(f"dffkit: {message}", file=sys.stderr)
    is_path = arguments.input != TOYTOWN and not arguments.input.startswith(CAMERA)
    outputs = {"--out": arguments.out} | ({} if arguments.json in (None, "-") else {"--json": Path(arguments.json)})
    _check_outputs(Path(arguments.input) if is_path else None, outputs)
    check_device(arguments.device)
    if arguments.input == TOYTOWN and arguments.fps:
        raise CommandError("--fps: the rendered street has its own rate; leave --fps out, or name a folder of images")
    try:
        methods = _methods(arguments)
        task = next(reversed(methods.values())).recipe.task
        stream = _toytown(task) if arguments.input == TOYTOWN else frames(arguments.input, arguments.fps)
        writer = VideoWriter(arguments.out, stream.fps or FPS)
        _check_size(stream, methods)
    except (ValueError, OSError, RuntimeError) as error:
        raise CommandError(str(error)) from error
    try:
        return _recognize(arguments, methods, stream, writer)
    except OSError as error:
        raise CommandError(f"{error}: the results can't be written; is there room, and who may write there?") from error


def _recognize(
    arguments: argparse.Namespace, methods: dict[str, LiveRecognition], stream: FrameStream, writer: VideoWriter
) -> int:
    """Write the annotated video and the JSON lines, print the rates, and return the exit status."""
    count = arguments.frames or (TOYTOWN_FRAMES if arguments.input == TOYTOWN else None)
    wanted = min(filter(None, (count, stream.count)), default=None)
    if stream.has_sound:
        print(f"dffkit: {arguments.out} will have no sound; that of {stream.name} is not copied", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=wanted, unit="frame", disable=arguments.no_progress))
        video = stack.enter_context(writer)
        lines = stack.enter_context(_lines(arguments.json))
        done, lost, stopped = _loop(islice(stream.timed(), count), methods, video, lines, bar)
    words = f"{done} frames{f', {lost} lost' if lost else ''}{f', then {stopped}' if stopped else ''}"
    print(f"{arguments.out}: {words}", file=sys.stderr)
    rates = {title: method.fps for title, method in methods.items() if method.milliseconds}
    for title, fps in rates.items():
        print(f"{title:14} {fps:7.1f} frames per second in {methods[title].precision}", file=sys.stderr)
    if len(rates) == 2:
        frame, dff = rates.values()
        print(f"{'speedup':14} {dff / frame:7.2f}", file=sys.stderr)
    return {"": 0, "interrupted": 130}.get(stopped, 1)


def _methods(arguments: argparse.Namespace) -> dict[str, LiveRecognition]:
    """Return the methods that recognize the video by the titles that it shows; DFF, or FGFA, is the last."""
    reach = arguments.aggregate
    if reach is not None and not arguments.weights:
        made = f"python -m dffkit train {AGGREGATION}"
        raise CommandError(
            f"--aggregate {reach}: no weights for it are shipped; give --weights, the folder that {made} makes"
        )
    name = arguments.weights or f"toytown/{arguments.task or 'segmentation'}/dff"
    settings = arguments.device, arguments.short_side, resolve(arguments.precision, arguments.device)
    dff = LiveRecognition(name, arguments.key_frame_duration, *settings, reach)
    if arguments.task not in (None, dff.recipe.task):
        trained = f"its network is for {dff.recipe.task}, not for {arguments.task}"
        raise CommandError(f"--weights {name}: {trained}; leave --task out, or give other weights")
    short, number = ("DFF", f"l = {dff.duration}") if reach is None else ("FGFA", f"K = {reach}")
    methods = {f"{short}, {number}": dff}
    if not (arguments.compare or arguments.compare_with):
        return methods
    # Per-frame recognition by the network of the same folder, or, if none is shipped, by the method's own N.
    other = arguments.compare_with or f"{name.rpartition('/')[0]}/frame"
    if arguments.compare_with or other in weights.names():
        title, frame = "Frame", LiveRecognition(other, 1, *settings)
    else:
        title, frame = f"{short} per frame", LiveRecognition(name, 1, *settings, None if reach is None else 0)
    if frame.recipe.task != dff.recipe.task:
        trained = f"its network is for {frame.recipe.task}, that of {name} for {dff.recipe.task}"
        raise CommandError(f"--compare-with {other}: {trained}; give weights of one task")
    return {title: frame, **methods}


def _loop(
    stream: Iterable[TimedFrame], methods: dict[str, LiveRecognition], video: VideoWriter, lines: TextIO, bar: tqdm
) -> tuple[int, int, str]:
    """Recognize, draw and write the frames; return their number, that of lost ones, and why they end early, or ""."""
    done, end, stopped = 0, 0, ""
    try:
        for timed, found in _results(stream, methods):
            title = list(methods)[-1]
            lines.write(json.dumps(_line(timed, found[title], methods[title])) + "\n")
            video.write(_drawn(timed.frame, found, methods), timed.seconds, timed.duration)
            done, end = done + 1, timed.index + 1
            bar.update()
            bar.set_postfix({title.partition(",")[0]: f"{method.fps:.1f} fps" for title, method in methods.items()})
    except KeyboardInterrupt:
        stopped = "interrupted"
    except DataError as error:
        stopped = str(error)
    return done, end - done, stopped


def _results(
    stream: Iterable[TimedFrame], methods: dict[str, LiveRecognition]
) -> Iterator[tuple[TimedFrame, dict[str, Recognition]]]:
    """Yield each frame with its results by title; frames wait for the last method, whose results may come later.

    Where the video breaks off, the frames before have their results first.
    """
    waiting: deque[tuple[TimedFrame, dict[str, Recognition]]] = deque()
    title, late = list(methods.items())[-1]
    damage = None
    try:
        for timed in stream:
            found = {title: method.step(timed.frame) for title, method in methods.items()}
            waiting.append((timed, found))
            if found[title]:
                due, others = waiting.popleft()
                yield due, others | {title: found[title]}
    except DataError as error:
        damage = error
    for result in late.rest():
        due, others = waiting.popleft()
        yield due, others | {title: result}
    if damage:
        raise damage


def _drawn(frame: Tensor, found: dict[str, Recognition], methods: dict[str, LiveRecognition]) -> Tensor:
    """Return the results side by side, each below a caption, and a legend below label maps of the same classes."""
    shown, labels = [], []
    for title, method in methods.items():
        large, result = _legible(frame, found[title].output)
        # Every frame is a key frame for Frame and FGFA.
        marked = found[title].is_key_frame and len(methods) == len(shown) + 1 and method.reach is None
        caption = f"{title}   {method.fps:.1f} fps{'   key frame' if marked else ''}"
        shown.append(annotate.captioned(annotate.result_over(large, result, method.names), caption, marked))
        labels.append(result)
    picture = torch.cat(shown, 2)
    if not isinstance(result, Tensor) or len({method.names for method in methods.values()}) > 1:
        return picture
    return torch.cat([picture, annotate.legend(method.names, torch.stack(labels), picture.shape[2])], 1)


def _check_size(stream: FrameStream, methods: dict[str, LiveRecognition]) -> None:
    """Raise a ValueError if the video would be larger than the encoder's limits, before any frame is recognized."""
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "scores": torch.zeros(0)}
    task = next(iter(methods.values())).recipe.task
    result = torch.zeros(stream.size, dtype=torch.uint8) if task == "segmentation" else nothing
    found = dict.fromkeys(methods, Recognition(0, True, result))
    check_encoder(tuple(_drawn(torch.zeros(3, *stream.size, dtype=torch.uint8), found, methods).shape[1:]))


def _line(timed: TimedFrame, found: Recognition, method: LiveRecognition) -> dict[str, Any]:
    """Return a frame's line of the JSON file: its boxes, or each class's share of the pixels."""
    result, milliseconds = found.output, round(method.milliseconds[-1], 2)
    seconds = round(float(timed.seconds), 6)
    about = {"frame": timed.index, "time": seconds, "key_frame": found.is_key_frame, "milliseconds": milliseconds}
    if isinstance(result, Tensor):
        shares = torch.bincount(result.flatten().long(), minlength=256)[: len(method.names)] / result.numel()
        return {**about, "shares": {name: round(float(s), 4) for name, s in zip(method.names, shares, strict=True)}}
    rows = zip(*(result[name].tolist() for name in ("boxes", "labels", "scores")), strict=True)
    boxes = [
        {"box": [round(side, 1) for side in box], "class": method.names[label - 1], "score": round(score, 4)}
        for box, label, score in rows
        if score >= annotate.SURE
    ]
    return {**about, "boxes": boxes}


def _legible(frame: Tensor, result: Any) -> tuple[Tensor, Any]:
    """Return frame and result, enlarged if the frame is so small that text in it could not be read."""
    factor = min(-(-LEGIBLE // min(frame.shape[1:])), WIDE // max(frame.shape[1:]))
    if factor <= 1:
        return frame, result
    large = frame.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    if isinstance(result, Tensor):
        return large, result.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    return large, {**result, "boxes": result["boxes"] * factor}


def _toytown(task: str) -> FrameStream:
    """Return a street of the validation split, from the world of this task."""
    from dffkit.datasets.toytown import FPS as RATES
    from dffkit.datasets.toytown import WORLDS, Film

    film = Film("val", TOYTOWN_STREET, RATES[task], WORLDS[task])
    size, rate, indices = tuple(film.frame(0).shape[1:]), Fraction(RATES[task]), range(TOYTOWN_FRAMES)
    return FrameStream(TOYTOWN, size, rate, TOYTOWN_FRAMES, lambda: at_rate(map(film.frame, indices), rate))


def _lines(target: str | None) -> contextlib.AbstractContextManager[TextIO]:
    """Return the file for JSON lines: standard output for "-"; for None they are dropped."""
    if target == "-":
        return contextlib.nullcontext(sys.stdout)
    path = Path(target or os.devnull)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8")


def _check_outputs(source: Path | None, outputs: dict[str, Path]) -> None:
    """Raise `CommandError` if an output, by option, can't be written, or would overwrite the source or the other."""
    for option, path in outputs.items():
        is_image = path.suffix.lower() in IMAGES  # of the folder that is read
        if source is not None and (_same(path, source) or (is_image and _same(path.parent, source))):
            raise CommandError(f"{option} {path}: is the input, which would be overwritten; give it another name")
    if "--json" in outputs and _same(outputs["--json"], outputs["--out"]):
        raise CommandError(f"--json {outputs['--json']}: is the file of --out too; give one of them another name")
    for option, path in outputs.items():
        if problem := _problem(path):
            raise CommandError(f"{option} {path}: {problem}; give the name of a file in a folder of yours")


def _same(one: Path, other: Path) -> bool:
    """Return True if two paths name one file."""
    if one.exists() and other.exists():
        return one.samefile(other)  # under another spelling or another link too
    return one.resolve() == other.resolve()


def _problem(path: Path) -> str | None:
    """Return the reason why no file can be written at `path`, or None."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return None if os.access(path, os.W_OK) else "is write-protected"
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        return f"{above} is not a folder"
    return None if os.access(above, os.W_OK) else f"the folder {above} is write-protected"
