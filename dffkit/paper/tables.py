"""The paper's tables and statements, with the printed values beside ours: `python -m dffkit table`."""

from collections.abc import Callable, Sequence

import pandas

from dffkit.paper import ablation, complexity_figures, ledger, variations
from dffkit.paper.all_statements import all_statements

AT = "&#64;"  # the sign @ in Markdown, where JupyterLab would take mAP@0.5 for a mail address

TABLES: dict[str, Callable[[str], pandas.DataFrame]] = {
    "table2": lambda _: complexity_figures.table2_numbers(),
    "table3": ablation.table3,
    "table4": lambda setting: ablation.table(setting).drop(columns=["n", "f"], errors="ignore"),
    "table5": variations.table5,
    "statements": all_statements,
}


def render(name: str, setting: str, layout: str) -> str:
    """Return one of `TABLES` of a setting; `layout` is "text", "csv", "latex" (with booktabs' rules) or "markdown".

    Raises:
        DataError: if none of its rows is stored.
    """
    numbers = ledger.by_task({setting: TABLES[name](setting)}).drop(columns="task")
    if layout == "csv":
        return numbers.to_csv(index=False, lineterminator="\n")
    text = numbers.map(_cell)
    if layout == "markdown":
        return markdown_table([list(text), *text.to_numpy().tolist()])
    return text.to_latex(index=False, escape=True) if layout == "latex" else text.to_string(index=False)


def _cell(value: object) -> str:
    return "-" if pandas.isna(value) else f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a line of heads and the rows below it as a table in Markdown."""
    heads, *lines = rows
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))
