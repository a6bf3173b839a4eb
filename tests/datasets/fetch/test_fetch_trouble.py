"""`fetch` in trouble: archives that may not be unpacked, no network, another process, and a kill at any moment."""

import builtins
import functools
import io
import os

import pytest
from archives import contents
from loopback_server import ranged, whole
from toy_data import (
    FIRST,
    HASH,
    SECOND,
    SECOND_UNPACKED,
    SPLIT,
    UNPACKED,
    get,
    names,
    packed,
    run,
    serve,
    stored,
)

from dffkit.support.errors import CommandError
from dffkit.support.files import locked


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
    serve(server)
    with locked(place), pytest.raises(CommandError, match="real: another process is fetching into it"):
        get(place)
    assert server.asked == []
    get(place)
    assert contents(place / "toy") == UNPACKED


# Kills


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
