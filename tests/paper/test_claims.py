"""The ledger: data/claims.toml covers what is printed, and turned verdicts and stale rows are found."""

import csv
import dataclasses
import json
import shlex
import tomllib

import numpy as np
import pytest
from places import REPOSITORY
from stored_scores import stored

from dffkit.commands import claims as command
from dffkit.commands import cli
from dffkit.commands.cli import build_parser
from dffkit.datasets.toytown import statistics
from dffkit.experiments import results
from dffkit.paper import claims, ledger_page, stale, verdicts

CLAIMS = claims.claims()


def printed_numbers():
    with (REPOSITORY / "data" / "printed_numbers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_printed_number_has_a_claim_or_a_reason_and_every_claim_is_printed_somewhere():
    rows = printed_numbers()
    assert all(all(row.values()) for row in rows)
    named = {row["claim"] for row in rows if not row["claim"].startswith("no result: ")}
    assert named == set(CLAIMS)


def test_numbers_are_the_same_in_both_files():
    compared = 0
    for row in printed_numbers():
        claim = CLAIMS.get(row["claim"])
        if claim and row["printed"].replace(", ", "").replace(".", "").isdigit():
            value = claim.authors if row["place"].startswith("authors") else claim.paper
            assert row["printed"] in (claim.words(value), str(value)), row
            compared += 1
    assert compared > 120


def test_every_claim_can_be_got_again_or_says_why_not():
    for claim in CLAIMS.values():
        assert claim.kind in claims.KINDS
        assert claim.command or claim.instead
        assert claim.how or claim.test or claim.instead, claim.id
        assert not claim.recipes or verdicts.recipes_of(claim), claim.id
        for words in verdicts.command(claim).split("; "):
            arguments = shlex.split(words.removeprefix("python -m dffkit"))
            assert not words or build_parser(arguments[0]).parse_known_args(arguments), claim.id


def test_no_two_claims_have_one_id():
    text = (REPOSITORY / "data" / "claims.toml").read_text(encoding="utf-8")
    cells = [fields["id"] for group in tomllib.loads(text)["group"] for fields in claims._cells(group)]
    assert len(cells) == len(set(cells)) == len(CLAIMS)


def test_table_5s_default_is_table_4s_dff():
    for column in ("miou", "fps-segmentation", "map", "fps-detection"):
        assert CLAIMS[f"table5.1.{column}"].paper == CLAIMS[f"table4.dff.{column}"].paper


def test_each_equation_names_a_test_that_is_there():
    chosen = [claim for claim in CLAIMS.values() if claim.test]
    assert {f"equations.eq{number}" for number in range(1, 8)} <= {claim.id for claim in chosen}
    assert {finding.verdict for finding in verdicts.findings(chosen)} == {"proved by a test"}
    for claim in chosen:
        path, _, name = claim.test.partition("::")
        assert f"def {name}(" in (REPOSITORY / path).read_text(encoding="utf-8"), claim.id


def test_verdicts_are_those_that_were_accepted():
    """If this fails because of new results, look at the change, then run `python -m dffkit claims --accept`.

    If it fails because of new code, run `python -m dffkit claims --revalidate`.
    """
    found = verdicts.findings(CLAIMS.values())
    assert verdicts.turned(verdicts.stored(), found) == []
    assert stale.stale() == []
    assert [each.claim for each in found if each.verdict == "differs"] == []


def test_the_page_is_that_of_the_accepted_verdicts():
    """If this fails, run `python -m dffkit claims --accept`."""
    page = ledger_page.path().read_text(encoding="utf-8")
    assert page == ledger_page.markdown(verdicts.stored())
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(lines) == len(CLAIMS)
    assert all(line.rsplit(" | ", 1)[1].strip("| ") for line in lines)


def test_a_wrong_number_differs_and_a_rounded_one_does_not():
    (claim,) = (claim for claim in CLAIMS.values() if claim.id == "networks.ohem")
    other, near = (dataclasses.replace(claim, authors=value, digits=0) for value in (129, 128.4))
    assert [each.verdict for each in verdicts.findings([claim, other, near])] == ["equal", "differs", "equal"]


def test_an_order_holds_by_its_interval_and_is_not_run_without_rows(results_folder):
    def row(name, value):
        name, duration = f"toytown/segmentation/{name}", 1 if name == "frame" else 5
        return stored(name, value, duration=duration, replicates=value + np.array([-0.01, 0, 0.01]))

    results.add(results_folder / "evaluation.csv", [row("frame", 0.7), row("dff", 0.6), row("fix-n", 0.65)])
    names = ("frame-dff.segmentation", "dff-fix-n.segmentation", "dff-sff-slow.segmentation", "frame-dff.detection")
    found = verdicts.findings(CLAIMS[f"order.{name}"] for name in names)
    assert [each[1:3] for each in found] == [
        ("drive", "holds"), ("drive", "does not hold"), ("drive", "not run"),
        ("drive", "not run"), ("films", "not run"),
    ]  # fmt: skip
    assert found[0].ours == "10.0 (10.0 to 10.0), 1 training"
    assert verdicts.printed(CLAIMS["order.frame-dff.segmentation"]) == "1.9"


def test_a_turned_verdict_a_moved_number_and_a_lost_claim_are_named():
    def finding(claim, verdict, ours=""):
        return verdicts.Finding(claim, "drive", verdict, ours)

    before = [finding("a", "holds", "2.0"), finding("b", "holds", "1.0"), finding("c", "equal"), finding("d", "equal")]
    now = [finding("a", "not resolved", "2.0"), finding("b", "holds", "1.1"), finding("c", "equal")]
    assert verdicts.turned(before, now) == [
        "a drive: was holds 2.0, is not resolved 2.0", "b drive: was holds 1.0, is holds 1.1",
        "d drive: was equal, is nothing",
    ]  # fmt: skip


def test_an_unknown_claim_is_refused_with_those_that_are_like_it(capsys):
    assert cli.main(["claims", "table4.dff"]) == 1
    assert "table4.dff.map" in capsys.readouterr().err


# The command


def test_the_command_shows_tables_counts_and_faults(capsys, monkeypatch):
    chosen = {name: CLAIMS[name] for name in ("table2.101-flownet", "networks.ohem", "related.dff-times")}
    monkeypatch.setattr(claims, "claims", lambda: chosen)
    monkeypatch.setattr(stale, "claims", lambda: chosen)
    monkeypatch.setattr(stale, "changed_code", list)
    accepted = verdicts.findings(chosen.values())
    monkeypatch.setattr(verdicts, "stored", lambda: accepted)
    assert cli.main(["claims"]) == 0
    out = capsys.readouterr().out
    assert "12.71" in out
    assert "networks.ohem" not in out
    assert "scale-bound      1       not run 1" in out

    monkeypatch.setattr(verdicts, "stored", lambda: [accepted[0]._replace(ours="12.70"), *accepted[1:]])
    assert cli.main(["claims", "--all"]) == 1
    out = capsys.readouterr().out
    assert "table2.101-flownet: was equal 12.70, is equal 12.71" in out
    assert "networks.ohem" in out


def test_one_claim_has_its_trainings_and_its_command(capsys):
    assert cli.main(["claims", "order.frame-dff.segmentation"]) == 0
    out = capsys.readouterr().out
    wanted = "experiments toytown/segmentation/frame toytown/segmentation/dff --seeds 0 1 2 --split test"
    for text in (wanted, "Table 4", "drive holds 2.9", "hours of training", "toytown/stills", "AMD EPYC"):
        assert text in out


def test_json_has_every_claim(capsys, monkeypatch):
    chosen = {name: CLAIMS[name] for name in ("table2.101-flownet", "table4.dff.map")}
    monkeypatch.setattr(claims, "claims", lambda: chosen)
    assert cli.main(["claims", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["id"], first["paper"], first["findings"][0]["verdict"]) == ("table2.101-flownet", 12.71, "equal")
    assert [each["world"] for each in second["findings"]] == ["drive", "films"]


@pytest.mark.parametrize("changed", ["", "cost", "films", "weights"])
def test_what_is_counted_and_scored_again_must_agree(changed, tmp_path, monkeypatch, capsys):
    def observe(world, count):
        things = [each for each in statistics.stored(world).things if each.film < count]
        smaller = [number for number in statistics.stored(world).with_smaller if number < count]
        if changed == "films" and world == "drive":
            del things[0]
        return statistics.Observed(count, things, smaller)

    chosen = {name: CLAIMS[name] for name in ("table2.101-flownet", "networks.ohem", "speedup.detection")}
    monkeypatch.setattr(claims, "claims", lambda: chosen)
    cost = "12.70" if changed == "cost" else "12.71"
    monkeypatch.setattr(verdicts, "stored", lambda: [verdicts.Finding("table2.101-flownet", "", "equal", cost)])
    monkeypatch.setattr(statistics, "observe_films", observe)
    monkeypatch.setattr(command, "weights_agree", lambda: changed != "weights")
    monkeypatch.setattr(stale, "_record", lambda: tmp_path / "revalidated.json")
    assert cli.main(["claims", "--revalidate"]) == bool(changed)
    assert bool(stale.changed_code()) is bool(changed)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["table2.101-flownet", cost, "12.71", "NO" if changed == "cost" else "yes"] in lines
    names = {" ".join(line[:-3]) for line in lines if line and line[-1] in ("yes", "NO")}
    counted = {entry["name"] for entry in statistics.targets()}
    assert names == {"table2.101-flownet"} | {f"{world}: {name}" for world in statistics.COUNTED for name in counted}
    wrong = [line for line in lines if line and line[-1] == "NO"]
    assert {line[0] for line in wrong} == {"cost": {"table2.101-flownet"}, "films": {"drive:"}}.get(changed, set())


def test_accepted_verdicts_are_read_again(tmp_path, monkeypatch, capsys):
    chosen = {"networks.ohem": CLAIMS["networks.ohem"]}
    monkeypatch.setattr(claims, "claims", lambda: chosen)
    monkeypatch.setattr(verdicts, "FILE", tmp_path / "verdicts.csv")
    assert verdicts.stored() == []
    assert cli.main(["claims", "--accept"]) == 0
    assert verdicts.stored() == [("networks.ohem", "", "equal", "128")]
    assert "`networks.ohem`" in (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "1 verdicts accepted" in capsys.readouterr().out
