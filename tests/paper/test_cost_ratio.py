"""cost_ratio.py: r of the six pairs by formula, by count and by time."""

import pandas
import pytest

from dffkit.complexity import speedup
from dffkit.paper import cost_ratio, ledger
from dffkit.paper.cost_ratio import cost_ratio_figure, cost_ratios


def test_r_is_that_of_eq7_and_of_the_times(monkeypatch):
    row = {"task": "detection", "duration": 10, "features": "ResNet-101", "flow": "FlowNet"}
    row |= {"eq7": speedup(10, 0.2), "eq7_eq6": speedup(10, 0.1)}
    row |= {"features_ms": 90.0, "task_ms": 10.0, "warp_ms": 3.0, "current_ms": 30.0}
    rows = [row | {"precision": "float32"}, row | {"precision": "bfloat16", "current_ms": 40.0}]
    rows += [row | {"precision": "float32", "duration": 5, "current_ms": 1.0}]  # another key frame duration
    monkeypatch.setattr(ledger, "benchmark", lambda: pandas.DataFrame(rows))
    (found,) = cost_ratios().to_dict("records")
    assert found["formula"] == pytest.approx(0.1)
    assert found["counted"] == pytest.approx(0.2)
    assert found["float32"] == pytest.approx(0.3)
    assert found["bfloat16"] == pytest.approx(0.4)
    assert found["warp"] == pytest.approx(0.1)


def test_the_stored_ratios_are_in_the_order_that_they_must_have():
    figure, numbers = cost_ratio_figure()
    assert len(numbers) == 6
    assert numbers.formula.to_numpy() == pytest.approx(numbers.printed.to_numpy(), rel=0.01)  # Table 2
    assert (numbers.counted > numbers.formula).all()  # the warp and the task network cost something too
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [label for label, *_ in cost_ratio.LOOKS.values()]
