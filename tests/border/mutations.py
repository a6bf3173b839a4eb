"""Damage done to the bytes of a file, the same for the same seed."""

import random
import re
from collections.abc import Callable

# What counts and lengths are set to: the ends of the ranges of 8, 16, 32 and 64 bits, zero, one and powers of two.
NUMBERS = [0, 1, 2**7, 2**8 - 1, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
WORDS = [
    b"0", b"-1", b"1e99", b"nan", b"inf", b"99999999999999999999", b"1.5", b"", b" ", b"\n\n", b"\r\n", b"\xef\xbb\xbf",
    b"\0", b"\xff", b"x", b"..", b"/", b"../../etc/passwd", b"true", b"null", b"[]", b"{}", b"\xd9\xa3", b"1_0",
]  # fmt: skip
CALL = b"cos\nsystem\n(S'true'\ntR"  # in a pickle: run a program
HEAD = 256  # bytes in which most lengths of a header are


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 3, 16))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def repeat(content: bytearray, rng: random.Random) -> None:
    start, end = _part(content, rng)
    content[end:end] = content[start:end]


def insert(content: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(content))
    content[place:place] = rng.choice((rng.randbytes(1), rng.randbytes(4), rng.randbytes(30), CALL))


def remove(content: bytearray, rng: random.Random) -> None:
    start, end = _part(content, rng)
    del content[start:end]


def swap(content: bytearray, rng: random.Random) -> None:
    """Exchange two blocks of one length."""
    start, end = _part(content, rng)
    length = min(end - start, (len(content) - start) // 2)
    other = rng.randrange(start + length, len(content) - length + 1)
    one = content[start : start + length]
    content[start : start + length], content[other : other + length] = content[other : other + length], one


def clear(content: bytearray, rng: random.Random) -> None:
    start, end = _part(content, rng)
    content[start:end] = bytes([rng.choice((0, 255))]) * (end - start)


def set_number(content: bytearray, rng: random.Random) -> None:
    """Overwrite a field, mostly one of the header."""
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    place = rng.randrange(min(len(content), rng.choice((HEAD, len(content)))))
    content[place : place + size] = (rng.choice(NUMBERS) % 256**size).to_bytes(size, order)


def set_word(content: bytearray, rng: random.Random) -> None:
    """Replace a number or a word of a text."""
    found = list(re.finditer(rb"[\w.+-]+", content[:100_000]))
    if found:
        start, end = rng.choice(found).span()
        content[start:end] = rng.choice(WORDS)


def append(content: bytearray, rng: random.Random) -> None:
    content += rng.choice((b"\0" * 99, b"\n", rng.randbytes(40), bytes(content[: rng.randrange(len(content))])))


KINDS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, truncate, repeat, insert, remove, swap, clear, set_number, set_number, set_word, append,
)  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return the content after one to three kinds of damage, and their names."""
    new, names = bytearray(content), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not new:
            break
        kind = rng.choice(KINDS)
        kind(new, rng)
        names.append(kind.__name__)
    return bytes(new), " + ".join(names)


def _part(content: bytearray, rng: random.Random) -> tuple[int, int]:
    """Return the ends of a block, mostly a short one."""
    start = rng.randrange(len(content))
    return start, min(len(content), start + 1 + rng.randrange(rng.choice((1, 4, 16, 64, 1024))))
