"""`python -m dffkit benchmark`: measured speedup beside Eq. 7's."""

import argparse
import itertools
from pathlib import Path

from dffkit.commands.options import add_device, at_least
from dffkit.experiments.benchmark import TASK_NETWORKS, measure, report_memory, stream_memory
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.precision import PRECISIONS
from dffkit.support import files
from dffkit.support.machine import describe, keep_freed_memory
from dffkit.support.processes import check_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options; the defaults are the paper's full size."""
    many = {"nargs": "+", "metavar": "NAME"}
    parser.add_argument("--size", nargs=2, type=at_least(1), default=[600, 1000], metavar=("H", "W"))
    # With l = 1 every frame is a key frame, and there is nothing to measure beside it.
    parser.add_argument("-l", "--key-frame-duration", type=at_least(2), default=10, metavar="L")
    parser.add_argument("--task", choices=TASK_NETWORKS, default=list(TASK_NETWORKS), **many)
    parser.add_argument("--depth", type=int, choices=(50, 101), default=[101, 50], nargs="+")
    parser.add_argument("--flow", choices=FLOW_NETWORKS, default=list(FLOW_NETWORKS), **many)
    parser.add_argument("--precision", choices=PRECISIONS, default=list(PRECISIONS), **many)
    parser.add_argument("--look-ahead", type=at_least(1), metavar="N", help="current frames in a batch (default l - 1)")
    parser.add_argument("--repeats", type=at_least(1), default=3, metavar="N", help="of which medians are reported")
    add_device(parser)
    parser.add_argument("--stream", type=at_least(1), metavar="N", help="instead: resident memory over N small frames")
    parser.add_argument("--out", type=Path, default=Path("build/benchmark.csv"), metavar="FILE.csv")


def main(args: argparse.Namespace) -> int:
    """Measure every combination asked for, one row each; the file is rewritten after each, so a kill loses no row."""
    import pandas
    from tqdm import tqdm

    check_device(args.device)
    if args.stream:
        print(report_memory(stream_memory(args.stream, look_ahead=args.look_ahead or 1)))
        return 0
    if args.look_ahead is None:
        args.look_ahead = args.key_frame_duration - 1
    keep_freed_memory()
    machine = describe(args.device)
    rows = []
    cases = list(itertools.product(args.precision, args.task, args.depth, args.flow))
    for precision, task, depth, flow in tqdm(cases, desc="benchmark", unit="row"):
        rows.append(measure(args, precision, task, depth, flow) | machine)
        files.write(args.out, pandas.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    table = pandas.DataFrame(rows)
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    print("Milliseconds, medians. of_eq7: the measured speedup over Eq. 7's with Eq. 5's r; of_eq7_eq6: with Eq. 6's.")
    print(f"speedup: {args.look_ahead} current frames in a batch; speedup_live: one by one, as a live stream needs it;")
    print("speedup_decoded: with the upsampling or the boxes of every frame; cycle, live: all l frames.")
    shown = table.drop(columns=[*machine, "height", "width", "duration", "look_ahead", "seed"])
    print(shown.to_string(index=False, float_format="{:.3g}".format))
    print(f"All columns: {args.out}")
    return 0
