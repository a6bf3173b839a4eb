"""`python -m dffkit claims`: what the paper claims, with what this kit gets, and how."""

import argparse
import csv
import dataclasses
import io
import json

from dffkit.commands.reproduce import align, weights_agree
from dffkit.datasets.toytown import statistics
from dffkit.paper import claims, ledger, ledger_page, stale, verdicts
from dffkit.paper.claims import Claim
from dffkit.paper.verdicts import Finding
from dffkit.support import files

WORDS = 56  # characters of a claim's words in the table


def add_claims_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `claims`."""
    parser.add_argument("id", nargs="?", metavar="ID", help="only this claim: how ours came about, and its command")
    parser.add_argument("--all", action="store_true", help="conventions too, on a second page")
    parser.add_argument("--json", action="store_true", help="everything as JSON, without checks")
    again = "count costs and films again, and score the shipped weights again: a few minutes"
    parser.add_argument("--revalidate", action="store_true", help=again)
    accept = "store today's verdicts as those to compare with, and write them as a page, data/claims.md"
    parser.add_argument("--accept", action="store_true", help=accept)


def claims_main(arguments: argparse.Namespace) -> int:
    """Print the ledger, or one claim.

    Returns:
        1 if a verdict or number is not as accepted, a result is of a former recipe or former data, or what is counted
        or scored again does not agree; else 0.
    """
    if arguments.revalidate:
        if not all([counts_agree(), weights_agree()]):
            return 1
        print(f"\nAll agree with today's code: {stale.record_code()}")
        return 0
    if arguments.id:
        print(describe(claims.find(arguments.id)))
        return 0
    found = verdicts.findings(claims.claims().values())
    if arguments.json:
        print(json.dumps(as_data(found), indent=1))
        return 0
    if arguments.accept:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([Finding._fields, *found])
        page = files.write(ledger_page.path(), ledger_page.markdown(found))
        print(f"{len(found)} verdicts accepted: {files.write(verdicts.FILE, text.getvalue())}, and the page {page}")
        return 0
    print(align(ledger_page.rows(found, conventions=False, longest=WORDS)))
    if arguments.all:
        print(f"\nConventions\n\n{align(ledger_page.rows(found, conventions=True, longest=WORDS))}")
    print(f"\n{align(ledger_page.counts(found))}")
    if not arguments.all:
        print("\nConventions: --all. One claim, with its command: python -m dffkit claims ID")
    return report_faults(found)


def as_data(found: list[Finding]) -> list[dict]:
    """Return all claims with their findings, the command and the printed value as data."""
    return [
        dataclasses.asdict(claim)
        | {"command": verdicts.command(claim), "findings": [each._asdict() for each in found if each.claim == name]}
        for name, claim in claims.claims().items()
    ]


def describe(claim: Claim) -> str:
    """Return one claim: where it stands in the paper, ours, how ours came about, and what gets it again."""
    ours = [" ".join(filter(None, each[1:])) for each in verdicts.findings([claim])]
    lines = {"claim": claim.claim, "kind": claim.kind, "place": claim.place, "printed": verdicts.printed(claim)}
    lines |= {"authors'": claim.words(claim.authors), "ours": "; ".join(ours), "instead": claim.instead}
    lines |= {"command": verdicts.command(claim), "test": claim.test, "code": claim.code}
    runs = verdicts.trainings(claim)
    hours = sum(float(run["seconds"]) for run in runs) / 3600
    lines["takes"] = f"{hours:.1f} hours of training, and the scoring" if runs else claim.takes
    text = "\n".join(f"{name:9} {value}" for name, value in lines.items() if value)
    if not runs:
        return text
    rows = [["training", "hash", "seed", "hours", "device", "threads", "commit", "date"]]
    for run in runs:
        shown = [run[name] for name in ("device", "threads", "commit", "date")]
        rows.append([run["recipe"], run["recipe_hash"], run["seed"], f"{float(run['seconds']) / 3600:.2f}", *shown])
    return f"{text}\n\n{align(rows)}"


def counts_agree() -> bool:
    """Count costs and the boxes of a few films again, and print each number beside the stored one."""
    accepted = {each.claim: each.ours for each in verdicts.stored()}
    counted = [claim for claim in claims.claims().values() if claim.how in ledger.FUNCTIONS and claim.source != "read"]
    rows = [(each.claim, accepted.get(each.claim, ""), each.ours) for each in verdicts.findings(counted)]
    lines = [[*row, "yes" if row[1] == row[2] else "NO"] for row in rows]
    for world in statistics.COUNTED:
        for row in statistics.recount(world):
            numbers = (f"{row[name]:.4f}" for name in ("stored", "here"))
            lines.append([f"{world}: {row['statistic']}", *numbers, "yes" if row["agree"] else "NO"])
    print(align([["counted", "stored", "here, just now", "agree"], *lines]))
    print(f"\nStatistics are of the boxes in each world's first {statistics.FEW} films, not of all that are stored.")
    return all(line[-1] == "yes" for line in lines)


def report_faults(found: list[Finding]) -> int:
    """Print what turned and what is stale; return the exit status."""
    turned, former = verdicts.turned(verdicts.stored(), found), stale.stale()
    if turned:
        print("\nNot as accepted (python -m dffkit claims --accept stores today's):", *turned, sep="\n  ")
    if former:
        print("\nOf former recipes, data or code:", *former, sep="\n  ")
    return int(bool(turned or former))
