"""`python -m dffkit speed`: how fast the recipes' networks are on this machine."""

import argparse
from pathlib import Path

from dffkit import weights
from dffkit.baselines import EXACT_FLOW
from dffkit.commands.options import add_device, add_threads, at_least
from dffkit.experiments import results
from dffkit.experiments.speed import TABLE, Architecture, measure
from dffkit.support.machine import describe, keep_freed_memory
from dffkit.support.processes import check_device, use_threads
from dffkit.training.recipes import RECIPES
from dffkit.training.toytown_recipes import HEADS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `speed`."""
    parser.add_argument("--repeats", type=at_least(1), default=9, metavar="N", help="the median counts (default: 9)")
    out = Path("build/results") / TABLE
    parser.add_argument("--out", type=Path, default=out, metavar="FILE.csv", help=f"the table (default: {out})")
    add_threads(parser)
    add_device(parser)


def main(arguments: argparse.Namespace) -> int:
    """Measure all recipes for Frame and DFF, and write the table to `--out`."""
    check_device(arguments.device)
    keep_freed_memory()
    use_threads(arguments.threads)
    chosen = [each for each in RECIPES.values() if not each.pretraining and each.flow != EXACT_FLOW]
    recipes = {Architecture.of(recipe): recipe for recipe in chosen}
    trained = {task: weights.load(f"toytown/{task}/frame").to(arguments.device) for task in HEADS}
    rows = measure(list(recipes.values()), trained, repeats=arguments.repeats, device=arguments.device)
    machine = describe(arguments.device)
    results.write(arguments.out, [row | machine for row in rows])
    print(f"{len(rows)} networks measured: {arguments.out}")
    for row in rows:
        print(
            f"  {row['task']:12} {row['features']:10} {row['flow']:17} split {row['split']:2}  "
            f"key frame {row['key_ms']:7.1f} ms  other frame {row['current_ms']:7.1f} ms, "
            f"result {row['decode_ms']:7.1f} ms"
        )
    return 0
