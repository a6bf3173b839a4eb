"""Tiny recipes that wait for each other, and how their rows are read; the tests of queue and commands share them."""

import dataclasses

import pandas
from hand_made import DETECTION, FLOW, STILLS, recipe

PAIRS = dataclasses.replace(
    recipe(iterations=2), name="seg/dff", start=(("feature_network", STILLS), ("flow_network", FLOW))
)
FRAMES = dataclasses.replace(
    recipe("frames", DETECTION, iterations=2, flow="none", flow_width=0), start=(("feature_network", STILLS),)
)


def table(place, name):
    """A result table as its readers get it."""
    return pandas.read_csv(place.results / f"{name}.csv")
