"""What the trainings behind the tables have cost."""

import pandas

from dffkit.experiments import results
from dffkit.experiments.workspace import default_workspace

RUN = ("hash", "world", "seed")


def by_device() -> pandas.DataFrame:
    """Columns `device`, `threads`, `trainings`, and `hours`, their sum: a line for each kind of machine."""
    rows = pandas.DataFrame(results.read(default_workspace().results / "training.csv"))
    runs = rows.drop_duplicates([*RUN]).astype({"seconds": float})  # a run has a row for each of its losses
    found = runs.groupby(["device", "threads"]).seconds.agg(["count", "sum"]).reset_index()
    return found.assign(hours=found["sum"] / 3600).rename(columns={"count": "trainings"}).drop(columns="sum")
