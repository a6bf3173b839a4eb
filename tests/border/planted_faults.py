"""Small faults planted in the code, one at a time: is each caught by some test?  `make faults`

A fault is one change by a fixed operator: a sign, an offset of one, two axes swapped, a term dropped, or the end of a
range moved. The command copies the tree, plants a fault in the copy, and runs the tests that belong to the file until
the first one fails. A fault that no test catches is a survivor: write a test that catches it, or say in `HARMLESS` why
the changed code does the same.
"""

import argparse
import ast
import contextlib
import importlib
import io
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT = 300  # seconds for the tests of one fault; a fault that makes them hang is caught too
# The tests that are run for a fault in a file, in this order.
TESTS = {
    "dffkit/warp.py": ["tests/library/test_warp.py", "tests/library/test_dff.py"],
    "dffkit/networks/features.py": ["tests/library/test_features.py", "tests/weights/authors"],
    "dffkit/networks/flow.py": ["tests/library/test_flow.py", "tests/weights/authors"],
    "dffkit/networks/segmentation.py": ["tests/library/test_segmentation.py"],
    "dffkit/networks/detection.py": [
        "tests/library/test_detection.py", "tests/library/test_detection_loss.py",
        "tests/library/test_roi_pooling.py", "tests/weights/authors",
    ],
    "dffkit/networks/proposals.py": ["tests/library/test_proposals.py", "tests/library/test_rpn_loss.py"],
    "dffkit/dff.py": ["tests/library/test_dff.py", "tests/library/test_video.py"],
    "dffkit/schedules.py": ["tests/library/test_schedules.py"],
    "dffkit/video.py": ["tests/library/test_video.py"],
    "dffkit/complexity.py": ["tests/library/test_complexity.py"],
    "dffkit/scores/segmentation.py": ["tests/scores"],
    "dffkit/scores/detection.py": ["tests/scores"],
    "dffkit/scores/evaluation.py": ["tests/scores"],
    "dffkit/scores/differences.py": ["tests/scores"],
    "dffkit/scores/flow_error.py": ["tests/scores"],
    "dffkit/datasets/snippets.py": ["tests/scores", "tests/datasets/test_imagenet_vid.py"],
    "dffkit/datasets/images.py": [
        "tests/datasets/test_images.py", "tests/datasets/test_label_images.py", "tests/datasets/test_image_folders.py",
        "tests/border/test_made_images.py",
    ],
    "dffkit/datasets/targets.py": ["tests/datasets/test_targets.py", "tests/border/test_made_targets.py"],
    "dffkit/datasets/video_files.py": ["tests/datasets/test_video_files.py", "tests/border/test_made_videos.py"],
    "dffkit/datasets/frame_times.py": ["tests/datasets/test_video_files.py", "tests/border/test_made_videos.py"],
    "dffkit/datasets/video_writer.py": ["tests/datasets/test_video_writer.py", "tests/border/test_made_videos.py"],
    "dffkit/datasets/streams.py": ["tests/datasets/test_streams.py", "tests/border/test_made_videos.py"],
    "dffkit/datasets/camvid.py": ["tests/datasets/test_camvid.py"],
    "dffkit/datasets/cityscapes.py": ["tests/datasets/test_cityscapes.py"],
    "dffkit/datasets/mot.py": [
        "tests/datasets/test_mot.py", "tests/datasets/test_mot_files.py", "tests/border/test_text_forms.py",
    ],
    "dffkit/datasets/imagenet_vid.py": ["tests/datasets/test_imagenet_vid.py"],
    "dffkit/datasets/vid_annotations.py": ["tests/datasets/test_vid_annotations.py"],
    "dffkit/datasets/flying_chairs.py": ["tests/datasets/test_flying_chairs.py"],
    "dffkit/datasets/resized.py": ["tests/datasets/test_resized.py"],
}  # fmt: skip
# Faults that change nothing that anyone could see: (file, changed line without its indent) -> the reason.
HARMLESS = {
    ("dffkit/networks/proposals.py", "considered = 5 * count"): "NMS begins with more boxes, and keeps the same first",
    ("dffkit/networks/proposals.py", "while len(keep) < count and considered <= len(boxes):"): (
        "NMS may run once more over all boxes, and keeps the same"
    ),
    ("dffkit/datasets/video_writer.py", "self.fps = Fraction(fps or 0).limit_denominator(11**6)"): (
        "a finer rate than anybody gives"
    ),
    (
        "dffkit/datasets/flying_chairs.py",
        "def batches(pairs: Sequence[SpritePair], batch: int = 9) -> Iterator[SpritePair]:",
    ): "errors are means over pairs, whatever the batch",
    ("dffkit/scores/detection.py", "candidates = (iou >= 0).any(1).nonzero()[:, 0]  # few: only these need the loop"): (
        "the loop passes over detections that overlap no box"
    ),
    (
        "dffkit/scores/flow_error.py",
        'regions = {"objects": share > 0.9, "borders": (share > 0.1) & (share <= 0.9), "background": share < 0.1}',
    ): "shares are whole numbers over 256, so none is 0.1",
}
SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
LIMITS = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}


class Fault(NamedTuple):
    """One change of a file: the characters from `start` to `end` become `text`."""

    file: str
    operator: str
    start: int
    end: int
    text: str

    def planted(self) -> str:
        """Return the file's source with the fault in it."""
        source = (ROOT / self.file).read_text(encoding="utf-8")
        return source[: self.start] + self.text + source[self.end :]

    def lines(self) -> tuple[int, str, str]:
        """Return the number of the changed line, the line as it is, and as it would be, both without their indent."""
        source = (ROOT / self.file).read_text(encoding="utf-8")
        number = source.count("\n", 0, self.start)
        return number + 1, source.splitlines()[number].strip(), self.planted().splitlines()[number].strip()


class _Finder(ast.NodeVisitor):
    """Collects the faults that can be planted in a file. Messages, annotations and docstrings are passed over."""

    def __init__(self, file: str) -> None:
        self.file, self.found = file, []
        self.source = (ROOT / file).read_text(encoding="utf-8")
        # Columns of `ast` count bytes, and lines from 1.
        self.starts = [0]
        for line in self.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.lines = self.source.splitlines(keepends=True)
        self.visit(ast.parse(self.source))

    def span(self, node: ast.AST) -> tuple[int, int]:
        places = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        rows = ((row - 1, self.lines[row - 1].encode()[:column]) for row, column in places)
        return tuple(self.starts[row] + len(before.decode()) for row, before in rows)

    def add(self, operator: str, start: int, end: int, text: str) -> None:
        self.found.append(Fault(self.file, operator, start, end, text))

    def passed_over(self, node: ast.AST) -> None:
        """Visit nothing below a message or a docstring."""

    visit_Raise = visit_JoinedStr = visit_Assert = visit_ImportFrom = visit_Import = passed_over

    def visit_Call(self, node: ast.Call) -> None:
        if getattr(node.func, "id", "") not in ("warn_skipped", "print", "DataError", "ValueError"):
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if getattr(node.value, "id", "") not in ("Callable", "Mapping", "Sequence", "dict", "list", "tuple"):
            self.generic_visit(node)  # the others are types

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.generic_visit(node)
        left_end, (right, right_end) = self.span(node.left)[1], self.span(node.right)
        between = self.source[left_end:right]
        if type(node.op) in SIGNS and re.fullmatch(r"\s*[-+*/]\s*", between):
            self.add("sign", left_end, right, re.sub(r"[-+*/]", SIGNS[type(node.op)], between))
            self.add("dropped term", left_end, right_end, "")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.generic_visit(node)
        if isinstance(node.op, ast.USub | ast.Not):
            self.add("dropped term", self.span(node)[0], self.span(node.operand)[0], "")

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.generic_visit(node)
        self.add("dropped term", self.span(node.values[-2])[1], self.span(node.values[-1])[1], "")

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            start, end = self.span(left)[1], self.span(right)[0]
            if type(op) in LIMITS and re.fullmatch(r"\s*[<>=!]+\s*", self.source[start:end]):
                self.add("end of a range", start, end, re.sub(r"[<>=!]+", LIMITS[type(op)], self.source[start:end]))

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self.generic_visit(node)
        if len(node.elts) == 2 and all(isinstance(each, ast.Name | ast.Slice | ast.Subscript) for each in node.elts):
            (first, first_end), (second, second_end) = map(self.span, node.elts)
            one, other = self.source[first:first_end], self.source[second:second_end]
            if one != other:
                self.add("swapped axes", first, second_end, other + self.source[first_end:second] + one)

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) is int and self.source[slice(*self.span(node))].isdecimal():
            self.add("off by one", *self.span(node), str(node.value + 1))


def chosen(count: int, files: list[str], seed: int) -> list[Fault]:
    """Return `count` faults spread over the files, and within a file over the operators; the same for the same seed."""
    rng, turns = random.Random(seed), {}
    for file in files:
        by_operator: dict[str, list[Fault]] = {}
        for fault in _Finder(file).found:
            by_operator.setdefault(fault.operator, []).append(fault)
        queues = list(by_operator.values())
        for queue in queues:
            rng.shuffle(queue)
        rng.shuffle(queues)
        turns[file] = [queue.pop() for _ in range(max(map(len, queues))) for queue in queues if queue]
    found = [fault for turn in range(count) for queue in turns.values() for fault in queue[turn : turn + 1]]
    return sorted(found[:count], key=lambda fault: (list(TESTS).index(fault.file), fault.start))


@contextlib.contextmanager
def copied_tree() -> Iterator[Path]:
    """Give a folder with a copy of the code and the tests; the data are linked."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder)
        for part in ("dffkit", "tests"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ROOT.iterdir():
            if not (tree / part.name).exists() and part.name not in (".git", ".venv", "build"):
                (tree / part.name).symlink_to(part)
        yield tree


def catcher(fault: Fault, tree: Path) -> str | None:
    """Plant a fault in the copied tree, run its tests, and return the one that failed first; None if all passed."""
    target = tree / fault.file
    target.write_text(fault.planted(), encoding="utf-8")
    report, began = tree / "report.txt", time.monotonic()
    report.write_text("", encoding="utf-8")
    child = os.fork()  # torch is imported once, in the parent
    if not child:
        os._exit(_tests(fault, tree, report))
    status = None
    while status is None and time.monotonic() - began < TIME_LIMIT:
        done, raw = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(raw) if done else time.sleep(0.05)
    if status is None:
        os.kill(child, 9)
        os.waitpid(child, 0)
    shutil.copy(ROOT / fault.file, target)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", report.read_text(encoding="utf-8"), re.MULTILINE)
    if failed:
        return failed[1]
    return None if status == 0 else f"the tests end with status {status}" if status else "the tests hang"


def _tests(fault: Fault, tree: Path, report: Path) -> int:
    """In a process of its own: run the fault's tests and write what pytest says to the report."""
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    paths = [path for path in TESTS[fault.file] if (tree / path).exists()]
    options = ["-x", "-q", "-p", "no:nbval", "-p", "no:cacheprovider", "-o", "addopts=-rfE"]
    output = os.open(report, os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import pytest

    status = int(pytest.main([*options, *paths]))
    sys.stdout.flush()
    return status


def main() -> int:
    """Plant the faults and print what caught each; return 1 if one survived that is not known to be harmless."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="number of faults (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses others (default: 0)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only in files whose path has this text")
    parser.add_argument("--list", action="store_true", help="list the chosen faults, plant none")
    arguments = parser.parse_args()
    faults = chosen(arguments.count, [file for file in TESTS if arguments.only in file], arguments.seed)
    survivors, harmless = [], 0
    if not arguments.list:
        for module in ("av", "cv2", "hypothesis", "numba", "numpy", "PIL", "torchvision"):
            importlib.import_module(module)  # once for all children
        import torch

        torch.set_num_threads(1)  # threads would not outlive a fork
    with copied_tree() if not arguments.list else contextlib.nullcontext() as tree:
        for done, fault in enumerate(faults, 1):
            number, before, after = fault.lines()
            print(f"[{done}/{len(faults)}] {fault.file}:{number}: {fault.operator}\n    {before}\n    {after}")
            if arguments.list:
                continue
            found = catcher(fault, tree)
            reason = HARMLESS.get((fault.file, after))
            harmless += not found and reason is not None
            if not found and reason is None:
                survivors.append(fault)
            print(f"    {f'caught by {found}' if found else f'harmless: {reason}' if reason else 'SURVIVED'}")
    if not arguments.list:
        caught = len(faults) - len(survivors) - harmless
        print(f"{len(faults)} planted, {caught} caught, {harmless} harmless, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.TextIOWrapper(sys.stdout.buffer, line_buffering=True, encoding="utf-8")):
        sys.exit(main())
