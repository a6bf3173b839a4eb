"""Which of several processes this is, under `torch.distributed` or alone."""

from torch import distributed


def is_distributed() -> bool:
    """Whether this process has joined others."""
    return distributed.is_available() and distributed.is_initialized()


def rank_and_count() -> tuple[int, int]:
    """This process's number, from 0, and how many there are; (0, 1) alone."""
    return (distributed.get_rank(), distributed.get_world_size()) if is_distributed() else (0, 1)
