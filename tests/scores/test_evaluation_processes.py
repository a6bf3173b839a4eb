"""The paper's protocol in several processes: they share the work, and all return what one does."""

import sys
from datetime import timedelta

import pytest
import torch
from scored_snippets import Counting, data, detector, small, some_boxes
from torch import distributed, multiprocessing

from dffkit.scores.evaluation import evaluate


def both_tasks():
    """Which snippets were read, and the scores, of both tasks, as plain values."""
    snippets = Counting(data()), Counting(data(some_boxes))
    pairs = zip((small(), detector()), snippets, strict=True)
    results = [evaluate(model, each, max_duration=3) for model, each in pairs]
    return [each.reads for each in snippets], [
        (name, frames, [vars(scores) for scores in offsets])
        for result in results
        for name, frames, offsets in result.snippets
    ]


def in_process(rank, folder):
    """One of two processes: evaluate together, then leave the result in a file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # in the convolutions' sums the last bit depends on it
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    try:
        torch.save(both_tasks(), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()
        torch.set_num_threads(threads)


@pytest.mark.skipif(sys.platform != "linux", reason="the processes meet at a path as Linux writes it")
def test_processes_share_the_work_and_all_return_what_one_does(tmp_path):
    threads = torch.get_num_threads()
    other = multiprocessing.get_context("spawn").Process(target=in_process, args=(1, str(tmp_path)))
    other.start()
    in_process(0, str(tmp_path))
    other.join()
    torch.set_num_threads(1)
    reads, expected = both_tasks()
    torch.set_num_threads(threads)
    assert reads == [(0, 1, 2, 3)] * 2
    for rank in range(2):
        read, ours = torch.load(tmp_path / f"{rank}.pt")
        assert read == [(rank, rank + 2)] * 2
        assert [each[:2] for each in ours] == [each[:2] for each in expected]
        for mine, one in zip(ours, expected, strict=True):
            torch.testing.assert_close(mine[2], one[2], rtol=0, atol=0, equal_nan=True)
