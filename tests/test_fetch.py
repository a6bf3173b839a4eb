"""`fetch` from its first word to the last: what it says, stores and refuses, and what a kill at any moment leaves."""

import argparse
import builtins
import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import loopback_server
import pytest
from loopback_server import only, ranged, whole

from dffkit import fetch
from dffkit.errors import DataError
from dffkit.experiments import results
from dffkit.fetch import public_copies
from dffkit.fetch.download import Patience
from dffkit.fetch.public_copies import ZIP, File, PublicCopy
from dffkit.repository import CommandError, root

PATIENCE = Patience(connect=10, read=10, attempts=1, pause=0)
SPLIT = b"1\n2\n1\n"


def packed(**files: bytes) -> bytes:
    """A zip with these files in `all/data/` and another one outside."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("all/README", b"not wanted")
        for name, content in files.items():
            archive.writestr(f"all/data/{name}", content)
    return stream.getvalue()


FIRST, SECOND = packed(one=b"1" * 3000, two=b"2"), packed(one=b"another", two=b"2")
HASH, SECOND_HASH = hashlib.sha256(FIRST).hexdigest(), hashlib.sha256(SECOND).hexdigest()
UNPACKED = {"one": b"1" * 3000, "two": b"2", "split.txt": SPLIT}
SECOND_UNPACKED = UNPACKED | {"one": b"another"}


@pytest.fixture
def server(monkeypatch):
    """A server whose files are the data set `toy`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = loopback_server.started()
    archive = File(server.address, "toy.zip", 3400, ZIP, inside="all/data", max_files=5, max_size=5000)
    split = File(f"{server.address}/split", "split.txt", 6, (b"1",))
    data_set = PublicCopy("Toy: two numbers", "Please cite Someone (2017). For research.", 3007, (archive, split))
    monkeypatch.setattr(fetch, "PUBLIC_COPIES", {"toy": data_set})
    yield server
    server.close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "real"


def serve(server, archive: bytes = FIRST) -> None:
    server.asked.clear()
    server.answers = [lambda handler: whole(SPLIT if handler.path.endswith("split") else archive)(handler)]


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    fetch.add_arguments(parser)
    return fetch.main(parser.parse_args([str(argument) for argument in arguments]))


def get(place: Path, **options) -> Path:
    return fetch.fetch("toy", place, patience=PATIENCE, progress=False, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def stored(place: Path) -> dict[str, str]:
    return json.loads((place / "fetched.json").read_text(encoding="utf-8"))


# What it says and does


def test_the_first_download_stores_and_prints_the_hash(server, place, capsys):
    serve(server)
    assert run("toy", "--to", place) == 0
    assert contents(place / "toy") == UNPACKED
    assert names(place) == {"toy", "fetched.json"}
    split = hashlib.sha256(SPLIT).hexdigest()
    assert stored(place) == {server.address: HASH, f"{server.address}/split": split}
    out = capsys.readouterr().out
    assert f"toy.zip: SHA-256 {HASH}, not known before\n" in out
    assert f"split.txt: SHA-256 {split}, not known before\n" in out


def test_terms_size_address_and_place_are_said_before_the_download(server, place, capsys):
    server.answers = [only(404)]
    with pytest.raises(CommandError, match="expected status 200"):
        run("toy", "--to", place)
    out = capsys.readouterr().out
    assert "Please cite Someone (2017). For research.\n" in out
    assert f"from     {server.address}\n         3.4 kB, SHA-256: not known in advance; once downloaded" in out
    assert f"to       {place / 'toy'}, 3.0 kB\n" in out


def test_what_is_there_is_left_alone(server, place, capsys):
    server.answers = [only(500)]
    (place / "toy").mkdir(parents=True)
    assert run("toy", "--to", place) == 0
    assert "toy is there already. --force downloads it again." in capsys.readouterr().out
    assert server.asked == []
    assert names(place) == {"toy"}


def test_without_a_name_all_are_listed(capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["camvid", "flying_chairs", "pets09"]
    assert lines[1].split()[1:3] == ["31.0", "GB"]


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run("imagenet")
    assert "'camvid', 'flying_chairs', 'pets09'" in capsys.readouterr().err


def test_by_default_it_goes_to_the_data_folder(server, place, monkeypatch):
    monkeypatch.setenv("DFFKIT_DATA", str(place))
    serve(server)
    assert run("toy") == 0
    assert contents(place / "toy") == UNPACKED


def test_help_needs_no_extra():
    code = "import sys, dffkit.fetch; print(*{'requests', 'urllib3'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=root(), capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


# What is compared


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


# What goes wrong


def test_an_archive_that_must_not_be_unpacked_is_not_stored_as_expected(server, place):
    serve(server, packed(**{"../../out": b"x"}))
    with pytest.raises(CommandError, match=r"toy\.zip: its member 'all/data/\.\./\.\./out' leaves its folder"):
        run("toy", "--to", place)
    assert names(place) == {"downloads"}
    (place / "downloads" / "toy.zip").unlink()
    serve(server)
    get(place)
    assert contents(place / "toy") == UNPACKED


def test_a_file_put_there_by_hand_is_used(server, place):
    (place / "downloads").mkdir(parents=True)
    (place / "downloads" / "toy.zip").write_bytes(FIRST)
    server.answers = [whole(SPLIT)]
    get(place)
    assert contents(place / "toy") == UNPACKED
    assert len(server.asked) == 1


def test_downloads_of_other_data_sets_are_left_alone(server, place):
    (place / "downloads").mkdir(parents=True)
    (place / "downloads" / "other.zip.part").write_bytes(b"x")
    serve(server)
    get(place)
    assert contents(place / "downloads") == {"other.zip.part": b"x"}


def test_an_interrupted_download_goes_on(server, place):
    etag = {"ETag": '"1"'}
    server.answers = [ranged(FIRST, upto=1000, **etag)]
    with pytest.raises(CommandError, match="run this again to go on"):
        get(place)
    assert names(place) == {"downloads"}
    server.answers = [ranged(FIRST, **etag), whole(SPLIT)]
    get(place)
    assert contents(place / "toy") == UNPACKED
    assert server.ranges == [None, "bytes=1000-", None]


def test_without_a_network_the_reader_is_told_what_to_do(server, place):
    server.close()
    with pytest.raises(CommandError, match=r"no answer .*put it there as .*downloads.toy\.zip"):
        run("toy", "--to", place)
    assert names(place) == {"downloads"}


def test_trouble_with_the_disk_is_no_traceback(server, place):
    place.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match=str(place)):
        run("toy", "--to", place)


def test_a_second_process_is_sent_away(server, place):
    pytest.importorskip("fcntl", reason="this system can't lock a folder")
    serve(server)
    with results.locked(place), pytest.raises(CommandError, match="real: another process is fetching into it"):
        get(place)
    assert server.asked == []
    get(place)
    assert contents(place / "toy") == UNPACKED


class Killed(BaseException):
    """A kill, for the code that it hits."""


class Killer:
    """Lets some steps be done that may change a folder, and none after them, so that nothing is tidied up either."""

    def __init__(self) -> None:
        self.steps = None  # how many are left; None is for ever

    def watched(self, step):
        @functools.wraps(step)
        def run(*arguments, **options):
            if self.steps is not None:
                self.steps -= 1
                if self.steps < 0:
                    raise Killed
            return step(*arguments, **options)

        return run


@pytest.fixture
def killer(monkeypatch):
    killer = Killer()
    for module, name in [
        (os, "mkdir"),
        (os, "replace"),
        (os, "unlink"),
        (os, "rmdir"),
        (io, "open"),
        (builtins, "open"),
    ]:
        monkeypatch.setattr(module, name, killer.watched(getattr(module, name)))
    return killer


@pytest.mark.parametrize("old", [False, True])
def test_a_kill_at_any_step_leaves_all_or_nothing(server, tmp_path, killer, old):
    for steps in range(1000):
        place = tmp_path / str(steps)
        if old:
            serve(server, SECOND)
            get(place)
            (place / "fetched.json").unlink()
        serve(server)
        killer.steps = steps
        try:
            get(place, force=old)
            break
        except Killed:
            pass
        finally:
            killer.steps = None
        seen = next((path for path in (place / "toy", place / "toy.old") if path.exists()), None)
        assert (contents(seen) if seen else None) in (UNPACKED, SECOND_UNPACKED if old else None)
        get(place, force=old)
        assert contents(place / "toy") == UNPACKED
        assert stored(place)[server.address] == HASH
        assert names(place) - {"downloads"} == {"toy", "fetched.json"}
    assert steps > 20


# The list


@pytest.mark.parametrize("name", public_copies.PUBLIC_COPIES)
def test_every_entry_is_complete(name):
    data_set = public_copies.PUBLIC_COPIES[name]
    assert "Please cite" in data_set.terms
    for file in data_set.files:
        assert file.address.startswith("https://")
        assert file.size > 0
        assert all(file.begins)
        assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
        if file.inside is not None:
            assert file.begins == ZIP
            assert not file.inside.endswith("/")
            assert file.max_files > 0
            assert file.max_size > file.size


def test_no_two_files_have_the_same_name():
    files = [file.name for data_set in public_copies.PUBLIC_COPIES.values() for file in data_set.files]
    assert len({*files}) == len(files)
