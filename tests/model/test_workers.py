"""Results come in the order of the pieces, and few pieces wait; torch runs on one thread in each worker."""

import time
from collections.abc import Iterator

import pytest
import torch

from landcover_bdgf.model.workers import full_precision, open_workers


def test_results_come_in_the_order_of_the_pieces() -> None:
    def slow_first(piece: int) -> int:
        time.sleep(0.02 if piece == 0 else 0)
        return piece**2

    with open_workers(3) as workers:
        assert list(workers.map(slow_first, range(20))) == [i**2 for i in range(20)]


def test_few_pieces_wait() -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for piece in range(100):
            taken.append(piece)
            yield piece

    with open_workers(2) as workers:
        next(workers.map(abs, pieces()))
    assert len(taken) == 2 * 2 + 1


def test_an_error_reaches_the_caller_and_settings_are_restored() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), open_workers(2) as workers:  # noqa: PT012
        assert list(workers.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
        list(workers.map(lambda piece: 1 // piece, [1, 0]))
    assert torch.get_num_threads() == before


def test_convolutions_have_full_precision_inside() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic
    with full_precision():
        assert (cudnn.allow_tf32, cudnn.deterministic) == (False, True)
    assert (cudnn.allow_tf32, cudnn.deterministic) == before
