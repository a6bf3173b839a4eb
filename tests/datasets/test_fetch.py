"""`python -m dffkit fetch`: the printed terms, the hashes, failing servers, and kills."""

import argparse
import builtins
import functools
import io
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from toy_copy import FIRST, SECOND, SECOND_UNPACKED, SPLIT, UNPACKED, contents, get, names, serve, sha256, stored, toy

from dffkit.commands import fetch as command
from dffkit.datasets import fetch as module
from dffkit.datasets.public_copies import PUBLIC_COPIES, ZIP, File, PublicCopy
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import locked, root


@pytest.fixture
def server(monkeypatch):
    server = serve(monkeypatch)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "real"


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_fetch_arguments(parser)
    return command.fetch_main(parser.parse_args([str(argument) for argument in arguments]))


# The command


def test_first_download_stores_and_prints_the_hash(server, place, capsys):
    get(place)
    assert contents(place / "toy") == UNPACKED
    assert names(place) == {"toy", "fetched.json"}
    assert stored(place) == {server.address: sha256(FIRST), f"{server.address}/split": sha256(SPLIT)}
    out = capsys.readouterr().out
    assert f"toy.zip: SHA-256 {sha256(FIRST)}, not known before\n" in out
    assert f"split.txt: SHA-256 {sha256(SPLIT)}, not known before\n" in out
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_terms_size_address_and_place_are_printed_before_the_download(server, place, capsys):
    server.status = 404
    with pytest.raises(CommandError, match="404"):
        get(place)
    out = capsys.readouterr().out
    assert "Please cite Someone (2017). For research.\n" in out
    assert f"from     {server.address}\n         3.4 kB, SHA-256: not known in advance; the first" in out
    assert f"to       {place / 'toy'}, 3.0 kB\n" in out


def test_existing_data_set_is_left_alone(server, place, capsys):
    (place / "toy").mkdir(parents=True)
    get(place)
    assert "toy is there already. --force downloads it again." in capsys.readouterr().out
    assert server.asked == []
    assert names(place) == {"toy"}


def test_without_a_name_all_are_listed(capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["camvid", "flying_chairs", "pets09"]
    assert lines[1].split()[1:3] == ["31.0", "GB"]


def test_unknown_name_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run("imagenet")
    assert "'camvid', 'flying_chairs', 'pets09'" in capsys.readouterr().err


def test_default_place_is_the_data_folder(server, place, monkeypatch):
    monkeypatch.setenv("DFFKIT_DATA", str(place))
    get(None)
    assert contents(place / "toy") == UNPACKED


def test_trouble_with_the_disk_is_no_traceback(place):
    place.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match=str(place)):
        run("camvid", "--to", place)


def test_help_and_list_need_no_extra():
    code = "import sys, dffkit.commands.fetch; print(*{'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=root(), capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


def test_another_process_that_fetches_is_an_error(server, place):
    with locked(place), pytest.raises(CommandError, match="real: another process is fetching into it"):
        get(place)
    assert server.asked == []


def test_bars_are_shown_on_request(server, place, capsys):
    module.fetch("toy", place)
    bars = capsys.readouterr().err
    assert "unpacking toy.zip" in bars
    assert "2/2" in bars


# Hashes


def test_another_file_than_the_first_time_is_refused(server, place):
    get(place)
    before = contents(place)
    server.archive = SECOND
    expected = rf"expected SHA-256 {sha256(FIRST)}, got {sha256(SECOND)}\..*delete its line in fetched\.json"
    with pytest.raises(DataError, match=f"{server.address}: {expected}"):
        get(place, force=True)
    assert contents(place) == before
    (place / "fetched.json").write_text("{}")
    get(place, force=True)
    assert contents(place / "toy") == SECOND_UNPACKED
    assert stored(place)[server.address] == sha256(SECOND)


def test_same_file_is_accepted_again(server, place, capsys):
    get(place)
    get(place, force=True)
    assert f"toy.zip: SHA-256 {sha256(FIRST)}, as expected" in capsys.readouterr().out
    assert names(place) == {"toy", "fetched.json"}


def test_hash_known_in_advance_counts_more_than_the_stored_one(server, place, monkeypatch):
    data_set = module.PUBLIC_COPIES["toy"]
    archive = File(**{**vars(data_set.files[0]), "sha256": sha256(FIRST)})
    monkeypatch.setitem(module.PUBLIC_COPIES, "toy", PublicCopy("Toy", "", 3007, (archive,)))
    place.mkdir()
    (place / "fetched.json").write_text(json.dumps({server.address: sha256(SECOND), "https://elsewhere": "0" * 64}))
    server.archive = SECOND
    with pytest.raises(DataError, match=f"expected SHA-256 {sha256(FIRST)}, got {sha256(SECOND)}") as caught:
        get(place)
    assert "fetched.json" not in str(caught.value)
    server.archive = FIRST
    get(place)
    assert stored(place) == {server.address: sha256(FIRST), "https://elsewhere": "0" * 64}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', '{"a": "0"}', '{"a": null}'])
def test_damaged_hashes_are_refused(server, place, text):
    place.mkdir()
    (place / "fetched.json").write_text(text)
    with pytest.raises(DataError, match=r"fetched\.json: expected JSON with a SHA-256 for each address"):
        get(place)
    assert server.asked == []


# Downloads


def test_file_put_there_by_hand_is_used_and_never_deleted(server, place):
    (place / "downloads").mkdir(parents=True)
    by_hand, other = place / "downloads" / "toy.zip", place / "downloads" / "other.zip"
    other.write_bytes(b"another data set's")
    by_hand.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"toy\.zip: expected a file that begins with 'PK.* got '<htm'.* Delete it"):
        get(place)
    assert by_hand.read_bytes() == b"<html>"
    by_hand.write_bytes(FIRST)
    get(place)
    assert contents(place / "toy") == UNPACKED
    assert len(server.asked) == 1  # for the split file
    assert names(place / "downloads") == {"other.zip"}


@pytest.mark.parametrize("content", [b"", b"PK\x03", b"<!DOCTYPE html><title>Please log in</title>"])
def test_login_page_is_refused_and_not_kept(server, place, content):
    server.archive = content
    with pytest.raises(DataError, match=r"'PK\\x03\\x04', got .*a web page\? Nothing of it was kept.*put it there as"):
        get(place)
    assert names(place / "downloads") == set()


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_failing_server_is_an_error_with_advice(server, place, status):
    server.status = status
    message = rf"{server.address}: .*{status}.*put it there as .*toy\.zip.*\n  curl -L -C - -o .*toy\.zip http"
    with pytest.raises(CommandError, match=message):
        get(place)
    assert names(place / "downloads") == set()


def test_broken_download_is_not_kept_and_starts_again(server, place):
    server.upto = 100
    with pytest.raises(CommandError, match=r"can't be downloaded .*Nothing of it was kept"):
        get(place)
    assert names(place / "downloads") == set()
    server.upto = None
    get(place)
    assert contents(place / "toy") == UNPACKED


def test_without_a_network_the_error_says_what_to_do(server, place):
    server.shutdown()
    server.server_close()
    with pytest.raises(CommandError, match=r"ConnectionError.*Are you online\?.*put it there as .*downloads.toy\.zip"):
        get(place)


def test_redirect_from_https_to_http_is_refused(server, place, monkeypatch):
    """No server here has a certificate, so the first answer is made up."""
    split = File("https://a/split", "split.txt", 6, (b"1",))
    monkeypatch.setitem(module.PUBLIC_COPIES, "toy", PublicCopy("Toy", "", 10, (split,)))

    def request(_, hooks, **options):
        hooks["response"](SimpleNamespace(url="https://a/split"), **options)
        hooks["response"](SimpleNamespace(url=server.address), **options)

    monkeypatch.setattr("requests.get", request)
    with pytest.raises(CommandError, match=r"https://a/split: leads to http://.* not encrypted\..*put it there as"):
        get(place)
    assert server.asked == []


def test_full_disk_is_an_error_before_the_download(server, place, monkeypatch):
    free = shutil.disk_usage(place.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=6412))
    with pytest.raises(CommandError, match=r"downloads: 6\.4 kB are needed on this disk, 6\.4 kB are free; make room"):
        get(place)
    assert server.asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=6413))
    get(place)


def test_refused_archive_is_not_stored_as_expected(server, place):
    server.archive = toy(**{"../../out": b"x"})
    with pytest.raises(DataError, match=r"toy\.zip: its member 'all/data/\.\./\.\./out' is no plain file"):
        get(place)
    assert names(place) == {"downloads"}
    assert names(place / "downloads") == {"toy.zip", "split.txt"}
    (place / "downloads" / "toy.zip").unlink()
    server.archive = FIRST
    get(place)
    assert contents(place / "toy") == UNPACKED


# Kills


class Killed(BaseException):
    """A kill, for the code that it hits."""


class Killer:
    """Allows `steps` file operations and raises `Killed` at each later one, so that nothing is tidied up either."""

    def __init__(self):
        self.steps = None  # without a limit

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
    for owner, name in [
        (os, "mkdir"), (os, "replace"), (os, "rename"), (os, "unlink"), (os, "remove"), (os, "rmdir"), (os, "open"),
        (io, "open"), (builtins, "open"),
    ]:  # fmt: skip
        monkeypatch.setattr(owner, name, killer.watched(getattr(owner, name)))
    return killer


@pytest.mark.parametrize("old", [False, True])
def test_kill_at_any_step_leaves_a_whole_data_set_or_none(server, tmp_path, killer, old):
    for steps in range(1000):
        place = tmp_path / str(steps)
        server.archive = SECOND
        if old:
            get(place)
            (place / "fetched.json").unlink()
        server.archive = FIRST
        killer.steps = steps
        try:
            get(place, force=old)
            break
        except Killed:
            pass
        finally:
            killer.steps = None
        if (place / "toy").exists():
            assert contents(place / "toy") in (UNPACKED, SECOND_UNPACKED)
        get(place, force=old)
        assert contents(place / "toy") == UNPACKED
        assert stored(place)[server.address] == sha256(FIRST)
        assert {name for name in names(place) if not name.endswith(".part")} - {"downloads"} == {"toy", "fetched.json"}
    assert steps > 20


# The list of copies


@pytest.mark.parametrize("name", PUBLIC_COPIES)
def test_every_public_copy_is_complete(name):
    data_set = PUBLIC_COPIES[name]
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
    files = [file.name for data_set in PUBLIC_COPIES.values() for file in data_set.files]
    assert len({*files}) == len(files)
