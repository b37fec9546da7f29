"""Requests gathered into batches and run in threads."""

import asyncio
import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from serving.embedded.config import BatcherConfig
from serving.embedded.grouping import choose
from serving.embedded.status import Code, StatusError, timed_out

Tensors = Mapping[str, np.ndarray]
Run = Callable[[str, Tensors], Tensors]
Observe = Callable[[int, list[float], float], None]


@dataclasses.dataclass(frozen=True, eq=False)
class _Request:
    signature: str
    inputs: Tensors
    answer: asyncio.Future
    arrived: float
    deadline: float | None

    @functools.cached_property
    def rows(self) -> int:
        return count_rows(self.inputs)

    @functools.cached_property
    def length(self) -> int:
        """The bytes of the longest text, over all inputs."""
        texts = [array.ravel() for array in self.inputs.values() if array.dtype == object]
        return sum(max(map(len, column), default=0) for column in texts)

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

    What finds a free thread is run at once, so that a request that is alone waits for nobody; what finds none forms the
    next batches. All methods belong to one event loop; only the runs are in threads.
    """

    def __init__(self, run: Run, config: BatcherConfig, observe: Observe | None = None):
        """Makes a batcher.

        Args:
            run: From a signature's name and its inputs to its outputs; blocks, and may be called by several threads at
                once.
            config: How requests are gathered.
            observe: Told of each batch that has run: its rows, seconds that each of its requests waited, seconds of
                the run.
        """
        self._run = run
        self._config = config
        self._observe = observe
        self._pending: list[_Request] = []
        self._running: set[asyncio.Task] = set()
        self._executor = concurrent.futures.ThreadPoolExecutor(config.parallel_runs, thread_name_prefix="model")

    async def submit(self, signature: str, inputs: Tensors, deadline: float | None = None) -> Tensors:
        """Runs a signature as a part of some batch.

        Args:
            signature: Its name.
            inputs: An array `(rows, ...)` for each input.
            deadline: When nobody waits for the answer any more, by the event loop's clock; it is not run from then on.

        Returns:
            The rows of each output that belong to these inputs.

        Raises:
            StatusError: The run failed, too much is waiting, or the deadline has passed.
        """
        loop = asyncio.get_running_loop()
        request = _Request(signature, inputs, loop.create_future(), loop.time(), deadline)
        if self._pending and self.waiting_rows() + request.rows > self._config.max_queued_rows:
            raise StatusError(Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full")
        self._pending.append(request)
        self._start_runs()
        return await request.answer

    def close(self) -> None:
        """Ends the threads once the batches that they run are done."""
        self._executor.shutdown(cancel_futures=True)

    def waiting_rows(self) -> int:
        """How many rows wait to be run."""
        return sum(request.rows for request in self._pending if not request.answer.done())

    def _start_runs(self) -> None:
        """Starts a batch in each free thread."""
        while len(self._running) < self._config.parallel_runs and (batch := self._take()):
            task = asyncio.create_task(self._run_batch(batch))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task) -> None:
        self._running.remove(task)
        self._start_runs()

    async def _run_batch(self, batch: Sequence[_Request]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await loop.run_in_executor(self._executor, run_batch, self._run, batch)
        _deliver(batch, answers)
        if self._observe:
            waited = [began - request.arrived for request in batch]
            self._observe(sum(request.rows for request in batch), waited, loop.time() - began)

    def _take(self) -> list[_Request]:
        """The oldest request and some that can be joined to it; the rest waits on, without those that are too late."""
        now = asyncio.get_running_loop().time()
        late = [request for request in self._pending if request.deadline is not None and request.deadline <= now]
        _deliver(late, [timed_out()] * len(late))
        self._pending = [request for request in self._pending if not request.answer.done()]
        if not self._pending:
            return []
        key = self._pending[0].key
        alike = [request for request in self._pending if request.key == key] if key else self._pending[:1]
        lengths, rows = [request.length for request in alike], [request.rows for request in alike]
        batch = [alike[i] for i in choose(lengths, rows, self._config.max_batch_size)]
        taken = set(batch)
        self._pending = [request for request in self._pending if request not in taken]
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
