"""Tables as the notebooks show them: words to the left, nothing cut off."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    from pandas.io.formats.style import Styler


def in_full(frame: "pandas.DataFrame") -> "Styler":
    """A table of words for a notebook, left-aligned and whole, without its index; the same HTML on every run."""
    left = {"selector": "th, td", "props": [("text-align", "left")]}
    # A fixed identifier: pandas would draw a random one, and the stored output would differ from run to run.
    return frame.style.set_uuid("words").set_table_styles([left]).hide(axis="index")
