"""`python -m dffkit check FOLDER`: the exercises of a class, one row a student and one column an exercise."""

import argparse
import csv
import importlib
import io
import itertools
import json
import multiprocessing
import os
import pkgutil
import re
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from multiprocessing.context import BaseContext
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from tqdm import tqdm

from dffkit import lessons
from dffkit.commands.cli import at_least
from dffkit.commands.notebooks import global_names
from dffkit.commands.reproduce import align
from dffkit.lessons import check
from dffkit.lessons.check import Outcome
from dffkit.support import files
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import find_notebooks, root
from dffkit.support.machine import use_threads

ABOUT = """
FOLDER has a folder for each student, with that student's notebooks anywhere in it, under any file names. Or it has one
notebook for each student, and the file's name is the student's.

Only those cells of a notebook run that check an exercise, and the cells above that bind the names they use, in a
process of their own. If an exercise is checked several times, its best result counts.

The process works in an empty folder, which is then deleted, but nothing locks it in: a student's code can do what you
can do on this machine, as it can when you open the notebook and run it. It can also fake a result. Use the table to see
what a class understands, not to grade it.

Ctrl-C leaves the table with the students who were checked until then.
"""
CALL = re.compile(r"^\s*check\.(\w+)\(", re.MULTILINE)  # of an exercise's check, in a cell
MODULE = re.compile(r"^from dffkit\.lessons\.check import (nb\d\d)\b", re.MULTILINE)
REPORT = "report.jsonl"
# From best to worst, each with its mark in the printed table.
MARKS = {"passed": "+", "hint": "?", "time limit": "T", "error": "E", "not attempted": ".", "no check": "x"}
MARKS |= {"no notebook": "-"}
FREQUENT = 8  # hints and errors that are printed, of those that students got

Key = tuple[str, str]  # of an exercise: the module of its check, "nb02", and its name, "Exercise 1"
Table = dict[str, dict[Key, Outcome]]  # of each student; an outcome's `result` is a key of `MARKS`


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `check`."""
    parser.description += f"\n{ABOUT}"
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the students' notebooks, as above")
    parser.add_argument("--csv", type=Path, metavar="FILE.csv", help="the table (default: FOLDER.csv beside FOLDER)")
    limit_help = "for each notebook (default: 60)"
    parser.add_argument("--limit", type=at_least(1), default=60, metavar="SECONDS", help=limit_help)


def check_main(arguments: argparse.Namespace) -> int:
    """Check the notebooks of all students, write the table anew after each student, and print it in short."""
    folder = arguments.folder.resolve()
    path, titles, handed_in = arguments.csv or folder.with_name(f"{folder.name}.csv"), exercises(), students(folder)
    table: Table = {}
    _write(path, titles, table)  # a table that can't be written is best known at the start
    try:
        context = start_server()
        with tqdm(total=sum(map(len, handed_in.values())), unit="notebook") as bar:
            for student, notebooks in handed_in.items():
                bar.set_description(student)
                table[student] = check_student(notebooks, titles, context, arguments.limit, bar)
                _write(path, titles, table)
    except KeyboardInterrupt:
        print(f"\ndffkit: stopped after {len(table)} of {len(handed_in)} students", file=sys.stderr)
    print(in_short(titles, table))
    print(f"\nOne column for each exercise: {path}")
    return 0 if len(table) == len(handed_in) else 130


def exercises() -> dict[Key, str]:
    """Return the title of each exercise of the kit's notebooks, such as "02 Exercise 1: four weights"."""
    found = {}
    for path in find_notebooks(root() / "notebooks"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for title in re.findall(r"^### (Exercise \d+: .+?)(?: · \w+)?$", text, re.MULTILINE):
            found[f"nb{path.name[:2]}", title.partition(":")[0]] = f"{path.name[:2]} {title}"
    return found


def students(folder: Path) -> dict[str, dict[Path, str]]:
    """Return the notebooks of each student, each with the module of its checks; say which files are left out.

    Raises:
        CommandError: if the folder is missing, or has no notebook with exercises of this kit.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder}: expected a folder of students' notebooks, got no such folder")
    found: dict[str, dict[Path, str]] = {}
    for place in sorted(folder.glob("[!.]*")):
        paths = [place] if place.suffix == ".ipynb" else []
        if place.is_dir():
            found[place.name], paths = {}, sorted(place.rglob("*.ipynb"))
        for path in paths:
            try:
                module = MODULE.search("\n".join(code_cells(path)))
            except DataError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            if module and ".ipynb_checkpoints" not in path.parts:
                found.setdefault(place.stem if place == path else place.name, {})[path] = module[1]
    if not any(found.values()):
        raise CommandError(f"{folder}: has no notebook with exercises of this kit, nor have its folders")
    return found


def code_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's code cells; raise `DataError` if the file is no notebook."""
    try:
        cells = nbformat.read(path, as_version=4).cells
        return [cell.source for cell in cells if cell.cell_type == "code"]
    except Exception as error:  # nbformat raises what it trips over
        raise DataError(
            f"{path}: is no notebook that can be read ({type(error).__name__}); open it in Jupyter"
        ) from error


def start_server() -> BaseContext:
    """Return what starts processes: a server that has imported the lessons, so that its copies begin at once.

    Windows has no such server, and each process imports the lessons itself.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    modules = pkgutil.walk_packages(lessons.__path__, f"{lessons.__name__}.")
    context.set_forkserver_preload([*(module.name for module in modules), "IPython"])
    first = context.Process(target=int)  # ends at once; the imports must not count against a student's time
    first.start()
    first.join()
    return context


def check_student(
    notebooks: Mapping[Path, str], titles: Iterable[Key], context: BaseContext, limit: float, bar: tqdm
) -> dict[Key, Outcome]:
    """Return the best outcome of each exercise in a student's notebooks."""
    order, best = list(MARKS), {key: Outcome(*key, "no notebook", "") for key in titles}
    for path, module in notebooks.items():
        outcomes, ending = run(path, context, limit)
        for key in (key for key in best if key[0] == module):
            found = [each for each in outcomes if each[:2] == key] or [Outcome(*key, ending, "the process ended")]
            best[key] = min([best[key], *found], key=lambda outcome: order.index(outcome.result))
        bar.update()
    return best


def run(path: Path, context: BaseContext, limit: float) -> tuple[list[Outcome], str]:
    """Run the checks of a notebook in a process of its own, which is killed after `limit` seconds.

    Returns:
        The outcomes of the checks that ended, and the result of those that did not.
    """
    with TemporaryDirectory(prefix="dffkit-check-", ignore_cleanup_errors=True) as scratch:
        process = context.Process(target=run_checks, args=(code_cells(path), Path(scratch)))
        process.start()
        try:
            process.join(limit)
            ending = "time limit" if process.is_alive() else "error" if process.exitcode else "no check"
        finally:
            process.kill()
            process.join()
        report = Path(scratch) / REPORT
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    return [Outcome(*json.loads(line)) for line in lines], ending


def run_checks(sources: list[str], scratch: Path) -> None:
    """Run the needed cells of a notebook in this process, and report each check, and each that an error prevents."""
    from IPython.core.interactiveshell import InteractiveShell

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the teacher's process, which ends this one
    os.chdir(scratch)
    os.environ.update({"DFFKIT_HOME": str(scratch), "IPYTHONDIR": str(scratch), "MPLBACKEND": "agg"})
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    use_threads(1)
    shell = InteractiveShell.instance()
    shell.enable_gui = lambda *_: None  # of "%matplotlib inline", which without a kernel would raise an error
    sources = [shell.transform_cell(source) for source in sources]  # %magic and !command become Python
    module = MODULE.search("\n".join(sources))[1]
    named = vars(importlib.import_module(f"dffkit.lessons.check.{module}"))
    with (scratch / REPORT).open("a", encoding="utf-8", buffering=1) as report:
        for source in needed_cells(sources):
            check.outcomes.clear()
            done = shell.run_cell(source)
            if error := done.error_before_exec or done.error_in_exec:
                text = f"{type(error).__name__}: {error}".partition(" (<")[0]  # without the name of the cell
                prevented = {named[name].name for name in CALL.findall(source) if name in named}
                prevented -= {outcome.exercise for outcome in check.outcomes}
                check.outcomes.extend(Outcome(module, name, "error", text) for name in prevented)
            report.writelines(json.dumps(outcome) + "\n" for outcome in check.outcomes)


def needed_cells(sources: list[str]) -> list[str]:
    """Return the cells that check an exercise, and each cell above that binds a name which a cell kept below uses."""
    kept: list[str] = []
    wanted: set[str] = set()
    for source in reversed(sources):
        bound, used = global_names(source)
        if CALL.search(source) or bound & wanted:
            kept.append(source)
            wanted |= used
    return kept[::-1]


def _write(path: Path, titles: Mapping[Key, str], table: Table) -> None:
    text = io.StringIO()
    rows = [[student, *(outcomes[key].result for key in titles)] for student, outcomes in table.items()]
    csv.writer(text, lineterminator="\n").writerows([["student", *titles.values()], *rows])
    try:
        files.write(path, text.getvalue())
    except OSError as error:
        raise CommandError(f"{path}: can't be written ({error.strerror}); name another file with --csv") from error


def in_short(titles: Mapping[Key, str], table: Table) -> str:
    """Return the table with one mark for each exercise, the marks' meaning, and what most students were told."""
    modules = {module: list(keys) for module, keys in itertools.groupby(titles, lambda key: key[0])}
    rows = [["student", *(module[2:] for module in modules), "passed"]]
    for student, outcomes in table.items():
        marks = ["".join(MARKS[outcomes[key].result] for key in keys) for keys in modules.values()]
        passed = sum(outcome.result == "passed" for outcome in outcomes.values())
        rows.append([student, *marks, f"{passed} of {len(titles)}"])
    everything = [outcome for outcomes in table.values() for outcome in outcomes.values()]
    seen = {outcome.result for outcome in everything}
    lines = [align(rows), "", ", ".join(f"{mark} {result}" for result, mark in MARKS.items() if result in seen)]
    told = Counter((each[:2], each.text.partition("\n")[0]) for each in everything if each.result in ("hint", "error"))
    lines += ["", "The most frequent hints and errors, with the number of students:"] * bool(told)
    for (key, text), count in told.most_common(FREQUENT):
        line = f"{count} x {titles[key]}: {text.removeprefix('not yet. ')}"
        lines.append(textwrap.shorten(line, 160, placeholder=" ..."))
    return "\n".join(lines)
