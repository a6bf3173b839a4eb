"""`fetch`: what it says before and after, where it stores, and what it leaves alone."""

import hashlib
import subprocess
import sys

import pytest
from archives import contents
from loopback_server import only
from toy_data import HASH, SPLIT, UNPACKED, names, run, serve, stored

from dffkit.support.errors import CommandError
from dffkit.support.repository import root


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
    code = "import sys, dffkit.commands.fetch; print(*{'requests', 'urllib3'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=root(), capture_output=True, text=True, check=True)
    assert result.stdout == "\n"
