import asyncio
import threading

import numpy as np
import pytest

from serving.embedded.batcher import Batcher, count_rows, run_batch
from serving.embedded.config import BatcherConfig
from serving.embedded.status import Code, StatusError


class Runs:
    """Doubles `x`, keeps a list of what it was called with, and can be held up."""

    def __init__(self):
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, signature, inputs):
        assert self.gate.wait(10)
        self.calls.append((signature, inputs["x"].tolist()))
        if -1 in inputs["x"]:
            raise StatusError(Code.INVALID_ARGUMENT, "minus one")
        if -2 in inputs["x"]:
            raise ZeroDivisionError("a slip in the code")
        if -3 in inputs["x"]:
            raise StatusError(Code.DEADLINE_EXCEEDED, "late")
        return {"y": inputs["x"] * 2, "z": inputs["x"].sum(axis=-1) if signature == "sum" else inputs["x"]}


@pytest.fixture
def runs():
    return Runs()


def _submit_all(runs, requests, **config):
    """Submits (signature, x) while the thread is busy with another request, then lets go; the answers or errors."""

    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=1, **config))
        runs.gate.clear()
        first = asyncio.create_task(batcher.submit("first", {"x": np.array([0])}))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(batcher.submit(name, {"x": np.array(x)})) for name, x in requests]
        await asyncio.sleep(0)
        runs.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        batcher.close()
        return answers

    return [a["y"].tolist() if isinstance(a, dict) else a for a in asyncio.run(main())]


def test_what_waits_is_joined_and_divided_again(runs):
    assert _submit_all(runs, [("s", [1]), ("s", [2, 3]), ("s", [4])]) == [[2], [4, 6], [8]]
    assert runs.calls == [("first", [0]), ("s", [1, 2, 3, 4])]


def test_signatures_and_shapes_do_not_mix(runs):
    requests = [("s", [1]), ("t", [2]), ("s", [[3, 4]]), ("s", [5]), ("t", [6])]
    assert _submit_all(runs, requests) == [[2], [4], [[6, 8]], [10], [12]]
    assert runs.calls[1:] == [("s", [1, 5]), ("t", [2, 6]), ("s", [[3, 4]])]


def test_a_batch_is_no_larger_than_allowed(runs):
    requests = [("s", [1, 2]), ("s", [3, 4]), ("s", [5]), ("s", [1, 2, 3, 4, 5])]
    assert _submit_all(runs, requests, max_batch_size=3) == [[2, 4], [6, 8], [10], [2, 4, 6, 8, 10]]
    assert [x for _, x in runs.calls[1:]] == [[1, 2], [3, 4, 5], [1, 2, 3, 4, 5]]


def test_no_rows_and_scalars_run_alone(runs):
    assert _submit_all(runs, [("s", []), ("s", 7), ("s", []), ("s", 8)]) == [[], 14, [], 16]
    assert [x for _, x in runs.calls[1:]] == [[], 7, [], 8]


def test_one_bad_request_fails_alone(runs):
    good, bad, other = _submit_all(runs, [("s", [1]), ("s", [-1]), ("s", [3])])
    assert (good, other) == ([2], [6])
    assert str(bad) == "INVALID_ARGUMENT: minus one"


def test_an_unforeseen_error_reaches_its_caller_and_work_goes_on(runs):
    error, other = _submit_all(runs, [("s", [-2]), ("t", [3])])
    assert isinstance(error, ZeroDivisionError)
    assert other == [6]


def test_a_run_that_took_too_long_is_not_tried_again(runs):
    errors = _submit_all(runs, [("s", [-3]), ("s", [1])])
    assert [error.code for error in errors] == [Code.DEADLINE_EXCEEDED] * 2
    assert len(runs.calls) == 2


def test_outputs_that_cannot_be_divided_are_made_one_by_one(runs):
    answers = _submit_all(runs, [("sum", [1, 2]), ("sum", [3])])
    assert answers == [[2, 4], [6]]
    assert runs.calls[1:] == [("sum", [1, 2, 3]), ("sum", [1, 2]), ("sum", [3])]


def test_a_full_queue_refuses(runs):
    answers = _submit_all(runs, [("s", [1, 2]), ("s", [3]), ("s", [4]), ("s", [5])], max_queued_rows=3)
    assert answers[:2] == [[2, 4], [6]]
    assert [error.code for error in answers[2:]] == [Code.UNAVAILABLE] * 2


def test_an_empty_queue_refuses_nothing(runs):
    assert _submit_all(runs, [("s", [1, 2, 3, 4])], max_queued_rows=3) == [[2, 4, 6, 8]]


def test_texts_of_like_length_are_run_together():
    calls = []

    def run(signature, inputs):
        calls.append(inputs["text"].tolist())
        return {"translation": inputs["text"]}

    async def main():
        batcher = Batcher(run, BatcherConfig(parallel_runs=1))
        texts = [b"first", b"long" * 100, b"short", b"long" * 99, b"shrt"]
        await asyncio.gather(*(batcher.submit("s", {"text": np.array([text], object)}) for text in texts))
        batcher.close()

    asyncio.run(main())
    assert calls == [[b"first"], [b"long" * 100, b"long" * 99], [b"short", b"shrt"]]


def test_the_length_of_a_request_is_that_of_its_longest_texts():
    """With 16 rows of 200 bytes, 4 rows of 200 are worth joining, and 4 of 20 are not."""
    calls = []

    def run(signature, inputs):
        calls.append(len(inputs["text"]))
        return {"n": inputs["n"]}

    def inputs(rows, *longest):
        column = np.array([b""] * rows, object)
        column[: len(longest)] = [b"x" * length for length in longest]
        return {"text": column, "target": column, "n": np.arange(rows)}

    async def main():
        batcher = Batcher(run, BatcherConfig(parallel_runs=1))
        requests = [inputs(1), inputs(16, 20, 100), inputs(4, 10), inputs(4, 0, 100)]
        await asyncio.gather(*(batcher.submit("s", each) for each in requests))
        batcher.close()

    asyncio.run(main())
    assert calls == [1, 20, 4]


def test_max_batch_size_1_joins_nothing(runs):
    assert _submit_all(runs, [("s", [1]), ("s", [2]), ("s", [3, 4])], max_batch_size=1) == [[2], [4], [6, 8]]
    assert [x for _, x in runs.calls[1:]] == [[1], [2], [3, 4]]


def test_a_free_thread_takes_what_comes_at_once(runs):
    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=2))
        runs.gate.clear()
        tasks = [asyncio.create_task(batcher.submit("s", {"x": np.array([i])})) for i in range(4)]
        await asyncio.sleep(0)
        assert batcher.waiting_rows() == 2
        runs.gate.set()
        await asyncio.gather(*tasks)
        batcher.close()

    asyncio.run(main())
    assert sorted(runs.calls) == [("s", [0]), ("s", [1]), ("s", [2, 3])]


@pytest.mark.parametrize("parallel_runs", [1, 2, 3])
def test_so_many_batches_run_at_once(parallel_runs):
    """Each run waits until as many others have begun as may."""
    began, most = threading.Barrier(parallel_runs), []

    def run(signature, inputs):
        began.wait(10)
        most.append(began.parties)
        return inputs

    async def main():
        batcher = Batcher(run, BatcherConfig(parallel_runs=parallel_runs, max_batch_size=1))
        await asyncio.gather(*(batcher.submit("s", {"x": np.array([i])}) for i in range(6)))
        batcher.close()

    asyncio.run(main())
    assert len(most) == 6


def test_a_request_past_its_deadline_is_not_run(runs):
    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=1))
        runs.gate.clear()
        now = asyncio.get_running_loop().time()
        asked = [
            asyncio.create_task(batcher.submit("s", {"x": np.array([i])}, deadline))
            for i, deadline in enumerate([None, now + 0.02, now + 60, None])
        ]
        await asyncio.sleep(0.03)
        runs.gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        batcher.close()
        return answers

    answers = asyncio.run(main())
    assert str(answers.pop(1)) == "DEADLINE_EXCEEDED: Timed out waiting for notification"
    assert [answer["y"].tolist() for answer in answers] == [[0], [4], [6]]
    assert runs.calls == [("s", [0]), ("s", [2, 3])]


def test_a_request_given_up_is_not_run(runs):
    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=1))
        runs.gate.clear()
        first = asyncio.create_task(batcher.submit("first", {"x": np.array([0])}))
        await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.submit("s", {"x": np.array([1])})
        runs.gate.set()
        await first
        await batcher.submit("s", {"x": np.array([2])})
        batcher.close()

    asyncio.run(main())
    assert runs.calls == [("first", [0]), ("s", [2])]


def test_an_observer_is_told_of_each_batch(runs):
    told = []

    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=1), lambda *batch: told.append(batch))
        runs.gate.clear()
        asked = [asyncio.create_task(batcher.submit("s", {"x": np.array(x)})) for x in ([-2], [1], [2, 3])]
        await asyncio.sleep(0.05)
        runs.gate.set()
        await asyncio.gather(*asked, return_exceptions=True)
        batcher.close()

    asyncio.run(main())
    assert [rows for rows, _, _ in told] == [1, 3]
    (first, others), (ran, _) = ([batch[i] for batch in told] for i in (1, 2))
    assert len(first) == 1
    assert len(others) == 2
    assert all(0 <= waited < 5 for waited in first)
    assert all(0.04 < waited < 5 for waited in [*others, ran])


def test_closing_after_all_was_given_up_ends_the_work_too(runs):
    async def main():
        batcher = Batcher(runs, BatcherConfig(parallel_runs=1))
        runs.gate.clear()
        asked = [asyncio.create_task(batcher.submit(name, {"x": np.array([0])})) for name in "st"]
        await asyncio.sleep(0.01)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        runs.gate.set()
        await asyncio.to_thread(batcher.close)
        await asyncio.sleep(0.01)
        return batcher.waiting_rows()

    assert asyncio.run(main()) == 0
    assert runs.calls == [("s", [0])]


def test_rows_are_those_of_the_longest_input():
    assert count_rows({"a": np.zeros([2, 5]), "b": np.zeros([3]), "c": np.array(7)}) == 3
    assert count_rows({"a": np.array(7)}) == 1
    assert count_rows({"a": np.zeros([0])}) == 0


def test_run_batch_of_nothing(runs):
    assert run_batch(runs, []) == []
