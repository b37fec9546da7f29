"""Requests gathered into batches and run, one batch after the other, in a thread of their own."""

import asyncio
import collections
import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from serving.config import BatcherConfig
from serving.status import Code, StatusError

Tensors = Mapping[str, np.ndarray]
Run = Callable[[str, Tensors], Tensors]
Observe = Callable[[int, list[float], float], None]


@dataclasses.dataclass(frozen=True)
class _Request:
    signature: str
    inputs: Tensors
    answer: asyncio.Future
    arrived: float

    @functools.cached_property
    def rows(self) -> int:
        return count_rows(self.inputs)

    @functools.cached_property
    def key(self) -> tuple | None:
        """Equal for requests that can be joined; None for one that cannot."""
        if any(array.ndim == 0 or len(array) != self.rows for array in self.inputs.values()) or not self.rows:
            return None
        return self.signature, *((name, array.shape[1:]) for name, array in sorted(self.inputs.items()))


def count_rows(inputs: Tensors) -> int:
    """How many rows a request has: the longest of its inputs `(rows, ...)`; 1 if all are scalars."""
    return max((len(array) for array in inputs.values() if array.ndim), default=1)


class Batcher:
    """Joins waiting requests of one signature along dim 0, runs them, and divides the outputs among them.

    Whatever arrives while a batch runs forms the next ones. All methods belong to one event loop; only the
    runs are in the thread.
    """

    def __init__(self, run: Run, config: BatcherConfig, observe: Observe | None = None):
        """Makes a batcher.

        Args:
            run: From a signature's name and its inputs to its outputs; blocks.
            config: How requests are gathered.
            observe: Told of each batch that has run: its rows, seconds that each of its requests waited, seconds of
                the run.
        """
        self._run = run
        self._config = config
        self._observe = observe
        self._pending: collections.deque[_Request] = collections.deque()
        self._worker: asyncio.Task | None = None
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="model")

    async def submit(self, signature: str, inputs: Tensors) -> Tensors:
        """Runs a signature as a part of some batch.

        Args:
            signature: Its name.
            inputs: An array `(rows, ...)` for each input.

        Returns:
            The rows of each output that belong to these inputs.

        Raises:
            StatusError: The run failed, or too much is waiting.
        """
        loop = asyncio.get_running_loop()
        request = _Request(signature, inputs, loop.create_future(), loop.time())
        if self._pending and self.waiting_rows() + request.rows > self._config.max_queued_rows:
            raise StatusError(Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full")
        self._pending.append(request)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await request.answer

    def close(self) -> None:
        """Ends the thread once the batch that it runs is done."""
        self._executor.shutdown(cancel_futures=True)

    def waiting_rows(self) -> int:
        """How many rows wait to be run."""
        return sum(request.rows for request in self._pending if not request.answer.done())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                patience = self._pending[0].arrived + self._config.batch_timeout - loop.time()
                if patience > 0 and self.waiting_rows() < self._config.max_batch_size:
                    await asyncio.sleep(patience)
                batch = self._take()
                if not batch:
                    # All have been given up, and the thread may have been ended since.
                    break
                began = loop.time()
                answers = await loop.run_in_executor(self._executor, run_batch, self._run, batch)
                if self._observe:
                    waited = [began - request.arrived for request in batch]
                    self._observe(sum(request.rows for request in batch), waited, loop.time() - began)
                _deliver(batch, answers)
        finally:
            self._worker = None

    def _take(self) -> list[_Request]:
        """The oldest request and those that can be joined to it; the rest waits on, without those given up."""
        batch: list[_Request] = []
        rest: collections.deque[_Request] = collections.deque()
        rows = 0
        for request in self._pending:
            if request.answer.done():
                continue
            fits = rows + request.rows <= self._config.max_batch_size
            if not batch or (fits and request.key is not None and request.key == batch[0].key):
                batch.append(request)
                rows += request.rows
            else:
                rest.append(request)
        self._pending = rest
        return batch


def _deliver(requests: Sequence[_Request], answers: Sequence[Tensors | Exception]) -> None:
    for request, answer in zip(requests, answers, strict=True):
        if request.answer.done():
            continue
        if isinstance(answer, Exception):
            request.answer.set_exception(answer)
        else:
            request.answer.set_result(answer)


def run_batch(run: Run, requests: Sequence[_Request]) -> list[Tensors | Exception]:
    """Runs requests as one, or each alone where they turn out not to go together.

    Args:
        run: See `Batcher`.
        requests: Requests of equal key.

    Returns:
        For each request its outputs, or the exception that its run raised.
    """
    if len(requests) <= 1:
        return [_attempt(run, request.signature, request.inputs) for request in requests]
    joined = {name: np.concatenate([request.inputs[name] for request in requests]) for name in requests[0].inputs}
    outputs = _attempt(run, requests[0].signature, joined)
    if isinstance(outputs, StatusError) and outputs.code == Code.DEADLINE_EXCEEDED:
        return [outputs] * len(requests)
    ends = np.cumsum([request.rows for request in requests])
    if isinstance(outputs, Exception) or any(array.ndim == 0 or len(array) != ends[-1] for array in outputs.values()):
        # One client's bad input must not fail its neighbours'.
        return [_attempt(run, request.signature, request.inputs) for request in requests]
    parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return [{name: part[i] for name, part in parts.items()} for i in range(len(requests))]


def _attempt(run: Run, signature: str, inputs: Tensors) -> Tensors | Exception:
    try:
        return run(signature, inputs)
    except Exception as error:
        return error
