"""`python -m dffkit benchmark` and `speed`: the networks' times on this machine."""

import argparse
import itertools
from pathlib import Path

from dffkit.baselines import EXACT_FLOW
from dffkit.commands.cli import add_device, add_precision, add_threads, at_least
from dffkit.experiments import benchmark, results, runs, speed
from dffkit.experiments.runs import Run, default_workspace
from dffkit.experiments.sources import RENDERED
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.precision import AUTO, resolve
from dffkit.support import files
from dffkit.support.errors import CommandError
from dffkit.support.machine import check_device, describe, keep_freed_memory, use_threads
from dffkit.training.progress import announce
from dffkit.training.recipes import HANDHELD, RECIPES


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `benchmark`; the defaults are the paper's full size."""
    many = {"nargs": "+", "metavar": "NAME", "help": "one or several of %(choices)s (default: all)"}
    parser.add_argument("--size", nargs=2, type=at_least(1), default=[600, 1000], metavar=("H", "W"), help="of frames")
    # At l = 1 every frame is a key frame, so there is no speedup to measure.
    parser.add_argument("-l", "--key-frame-duration", type=at_least(2), default=10, metavar="L", help="default: 10")
    parser.add_argument("--task", choices=benchmark.TASK_NETWORKS, default=list(benchmark.TASK_NETWORKS), **many)
    parser.add_argument("--depth", type=int, choices=(50, 101), default=[101, 50], nargs="+", help="of the ResNet")
    parser.add_argument("--flow", choices=FLOW_NETWORKS, default=list(FLOW_NETWORKS), **many)
    add_precision(parser, "without this option float32 is measured too", nargs="+", default=["float32", AUTO])
    parser.add_argument("--look-ahead", type=at_least(1), metavar="N", help="current frames in a batch (default l - 1)")
    parser.add_argument("--repeats", type=at_least(1), default=3, metavar="N", help="report medians of N (default: 3)")
    add_device(parser)
    stream_help = "measure only the resident memory over N small frames"
    parser.add_argument("--stream", type=at_least(1), metavar="N", help=stream_help)
    reach_help = "with --stream: aggregation over K frames to each side (FGFA), in place of Deep Feature Flow"
    parser.add_argument("--aggregate", type=at_least(0), metavar="K", help=reach_help)
    out = Path("build/benchmark.csv")
    parser.add_argument("--out", type=Path, default=out, metavar="FILE.csv", help=f"the table (default: {out})")


def benchmark_main(arguments: argparse.Namespace) -> int:
    """Measure the speedup beside Eq. 7's for all chosen networks, and rewrite the table after each row."""
    import pandas
    from tqdm import tqdm

    check_device(arguments.device)
    if arguments.aggregate is not None and not arguments.stream:
        raise CommandError("--aggregate: goes with --stream N, which measures memory; give both")
    if arguments.stream:
        options = {"look_ahead": arguments.look_ahead or 1, "reach": arguments.aggregate}
        memory = benchmark.stream_memory(arguments.stream, **options)
        print(benchmark.report_memory(memory))
        return 0
    if arguments.look_ahead is None:
        arguments.look_ahead = arguments.key_frame_duration - 1
    keep_freed_memory()
    machine = describe(arguments.device)
    rows = []
    precisions = dict.fromkeys(resolve(each, arguments.device) for each in arguments.precision)
    cases = list(itertools.product(precisions, arguments.task, arguments.depth, arguments.flow))
    for precision, task, depth, flow in tqdm(cases, desc="benchmark", unit="row"):
        rows.append(benchmark.measure(arguments, precision, task, depth, flow) | machine)
        files.write(arguments.out, pandas.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    table = pandas.DataFrame(rows)
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    print("Medians in ms. of_eq7: the measured speedup over Eq. 7's with Eq. 5's r; of_eq7_eq6: with Eq. 6's.")
    print(f"speedup: {arguments.look_ahead} current frames in a batch; speedup_live: one by one, as in a live stream;")
    print("speedup_decoded: with the upsampling or the boxes of every frame; cycle, live: all l frames.")
    shown = table.drop(columns=[*machine, "height", "width", "duration", "look_ahead", "seed"])
    print(shown.to_string(index=False, float_format="{:.3g}".format))
    print(f"All columns: {arguments.out}")
    return 0


def add_speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `speed`."""
    data_help = "only networks for one or several of %(choices)s (default: for all whose recipe `frame` is trained)"
    parser.add_argument("--data", nargs="+", choices=RENDERED, metavar="NAME", help=data_help)
    parser.add_argument("--repeats", type=at_least(1), default=9, metavar="N", help="report medians of N (default: 9)")
    out = Path("build/results") / speed.TABLE
    out_help = f"the table; its rows of other worlds stay (default: {out})"
    parser.add_argument("--out", type=Path, default=out, metavar="FILE.csv", help=out_help)
    add_precision(parser, "the stored table is in float32")
    add_threads(parser)
    add_device(parser)


def speed_main(arguments: argparse.Namespace) -> int:
    """Measure the networks of the rendered worlds' recipes, for Frame and for DFF, and write the table to `--out`."""
    check_device(arguments.device)
    keep_freed_memory()
    use_threads(arguments.threads)
    workspace, precision = default_workspace(device=arguments.device), resolve(arguments.precision, arguments.device)
    asked = [each for each in (RECIPES | HANDHELD).values() if each.data in (arguments.data or RENDERED)]
    frames = [Run(each) for each in asked if each.name.endswith("/frame")]
    # If the world that was asked for, or every world, is missing, `runs.trained` says which training it needs.
    available = [run for run in frames if arguments.data or runs.is_available(run, workspace)] or frames
    for name in (run.recipe.name for run in frames if run not in available):
        announce(f"left out: {name} is not trained. To measure its world, first:  python -m dffkit train {name}")
    trained = {(run.recipe.data, run.recipe.task): runs.trained(run, workspace) for run in available}
    chosen = [each for each in asked if (each.data, each.task) in trained and each.flow != EXACT_FLOW]
    recipes = {speed.Architecture.of(each): each for each in chosen if not each.pretraining}
    rows = speed.measure(list(recipes.values()), trained, arguments.repeats, arguments.device, precision)
    machine = describe(arguments.device)
    worlds = {row["data"] for row in rows}
    others = [row for row in results.read_rows(arguments.out) if row["data"] not in worlds]
    results.write_rows(arguments.out, [*others, *(row | machine for row in rows)])
    print(f"{len(rows)} networks measured: {arguments.out}, in {precision}")
    for row in rows:
        print(
            f"  {row['data']:8} {row['task']:12} {row['features']:10} {row['flow']:17} split {row['split']:2}  "
            f"key frame {row['key_ms']:7.1f} ms  other frame {row['current_ms']:7.1f} ms, "
            f"result {row['decode_ms']:7.1f} ms"
        )
    return 0
