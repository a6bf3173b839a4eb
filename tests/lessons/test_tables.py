"""tables.py: the tables of notebooks, as HTML and as text."""

import numpy as np
import pandas
import pytest

from dffkit.lessons.tables import table

FRAME = pandas.DataFrame(
    {
        "row": ["DFF", "copy < DFF"],
        "loss": [3.14159, np.nan],
        "seeds": [3, 1],
        "paper": [None, "0.8"],
        "ahead": [True, False],
    },
    index=[7, 8],
)


def test_text_has_headings_with_units_rounded_numbers_and_neither_index_nor_nan():
    shown = table(FRAME, {"row": "method", "loss": "points lost", "seeds": "trainings", "ahead": "ahead"}, digits=2)
    assert repr(shown).splitlines() == [
        "method      points lost  trainings  ahead",
        "DFF                3.14          3  yes",
        "copy < DFF                       1  no",
    ]


def test_a_small_negative_number_is_rounded_to_0_without_a_sign():
    shown = table(pandas.DataFrame({"gain": [-0.02, -0.2]}))
    assert repr(shown).split() == ["gain", "0.0", "-0.2"]


def test_html_scrolls_and_escapes_and_aligns_words_left_and_numbers_right():
    written = table(
        FRAME, {"row": "method", "loss": "points lost", "paper": "the paper"}, caption="a & b"
    )._repr_html_()
    assert written.startswith('<div style="overflow-x: auto">')
    assert "copy &lt; DFF" in written
    assert "a &amp; b</caption>" in written
    assert '<td style="text-align: left; vertical-align: top; white-space: nowrap">DFF</td>' in written
    assert '<th style="text-align: right; vertical-align: bottom; white-space: normal">points lost</th>' in written
    assert '<td style="text-align: right; vertical-align: top; white-space: nowrap">3.1</td>' in written
    assert not any(word in written for word in ("nan", "None", ">7<"))


def test_by_default_all_columns_are_shown_and_places_can_differ_by_column():
    frame = pandas.DataFrame({"a": [1.234], "b": [5.678]})
    assert repr(table(frame, digits={"a": 0, "b": 3})).splitlines() == ["a      b", "1  5.678"]
    assert repr(table(frame, caption="two")).splitlines() == ["two", "  a    b", "1.2  5.7"]


def test_headings_and_long_cells_break_and_short_cells_do_not():
    written = table(pandas.DataFrame({"why": ["word " * 10, "3.1 (1.4 to 4.8)"]}))._repr_html_()
    assert f'vertical-align: top; min-width: 10em">{"word " * 10}</td>' in written
    assert 'white-space: normal">why</th>' in written
    assert 'white-space: nowrap">3.1 (1.4 to 4.8)</td>' in written


def test_a_folded_table_opens_from_its_line():
    folded = table(FRAME, fold="2 more rows & columns")
    line = '<details><summary style="cursor: pointer">2 more rows &amp; columns</summary>'
    assert folded._repr_html_() == f"{line}\n{table(FRAME)._repr_html_()}\n</details>"
    assert repr(folded) == f"2 more rows & columns\n{table(FRAME)!r}"


def test_an_unknown_column_is_named():
    with pytest.raises(KeyError, match="size"):
        table(FRAME, {"size": "size"})


def test_long_words_are_not_shortened():
    shown = table(pandas.DataFrame({"words": ["word " * 40]}))
    assert "word " * 40 in shown._repr_html_()
    assert "word " * 39 in repr(shown)
