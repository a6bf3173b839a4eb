"""`fetch`: hashes are compared with those known in advance and those of the first time."""

import json

import pytest
from archives import contents
from toy_data import HASH, SECOND, SECOND_HASH, SECOND_UNPACKED, get, names, run, serve, stored

from dffkit.datasets import fetch
from dffkit.datasets.fetch.public_copies import File, PublicCopy
from dffkit.support.errors import CommandError, DataError


def test_another_file_than_the_first_time_is_refused(server, place):
    serve(server)
    get(place)
    before = contents(place)
    serve(server, SECOND)
    message = (
        rf"{server.address}: expected SHA-256 {HASH}, got {SECOND_HASH}.*(?s:.)*delete its line in .*fetched\.json"
    )
    with pytest.raises(DataError, match=message):
        get(place, force=True)
    assert contents(place) == before
    (place / "fetched.json").write_text("{}")
    serve(server, SECOND)
    get(place, force=True)
    assert contents(place / "toy") == SECOND_UNPACKED
    assert stored(place)[server.address] == SECOND_HASH


def test_the_same_file_is_taken_again(server, place, capsys):
    for options in ({}, {"force": True}):
        serve(server)
        get(place, **options)
    assert f"toy.zip: SHA-256 {HASH}, as expected" in capsys.readouterr().out
    assert names(place) == {"toy", "fetched.json"}


def test_a_hash_that_is_known_in_advance_counts(server, place, monkeypatch):
    toy = fetch.PUBLIC_COPIES["toy"]
    archive = File(**{**vars(toy.files[0]), "sha256": HASH})
    monkeypatch.setitem(fetch.PUBLIC_COPIES, "toy", PublicCopy(toy.about, toy.terms, toy.unpacked, (archive,)))
    place.mkdir()
    (place / "fetched.json").write_text(json.dumps({server.address: SECOND_HASH}))
    serve(server, SECOND)
    with pytest.raises(DataError, match=f"expected SHA-256 {HASH}, got {SECOND_HASH}") as caught:
        get(place)
    assert "fetched.json" not in str(caught.value)
    serve(server)
    get(place)
    assert stored(place)[server.address] == HASH


def test_hashes_of_other_data_sets_are_kept(server, place):
    place.mkdir()
    (place / "fetched.json").write_text(json.dumps({"https://elsewhere/file": "0" * 64}))
    serve(server)
    get(place)
    assert stored(place).keys() == {"https://elsewhere/file", server.address, f"{server.address}/split"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', '{"a": "0"}', '{"a": null}'])
def test_damaged_hashes_are_refused(server, place, text):
    place.mkdir()
    (place / "fetched.json").write_text(text)
    serve(server)
    with pytest.raises(CommandError, match=r"fetched\.json: expected JSON with a SHA-256 for each address"):
        run("toy", "--to", place)
    assert server.asked == []
