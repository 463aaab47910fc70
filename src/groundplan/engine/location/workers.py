"""Where the strips of a large problem live: threads, local processes, or the workers of Dask.

A strip keeps its arrays where it was opened, so every call that concerns it must reach the same
place, its home. That is all that is asked of an executor: `workers`, how many homes there are, and
``submit(home, function, *args)``, whose result has ``result()``.
"""

from __future__ import annotations

import multiprocessing
import os
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from groundplan.engine._jit import thread_count
from groundplan.errors import WorkerLostError

__all__ = [
    "DaskWorkers",
    "Executor",
    "ProcessWorkers",
    "ThreadWorkers",
    "carried_bytes",
    "check_executor",
]

#: Seconds between two looks at whether a silent Dask worker is still there.
LOOK_S = 5.0
#: Seconds that a process gets to end by itself.
END_S = 5.0
#: Bytes of a call above which its arrays go straight to a Dask worker.
LARGE = 1 << 18


class Result(Protocol):
    """What a call becomes."""

    def result(self) -> Any:
        """Wait for the call and return what it returned, or raise what it raised."""


class Executor(Protocol):
    """Homes for the state of strips."""

    workers: int

    def submit(self, home: int, function: Callable[..., Any], *args: Any) -> Result:
        """Call ``function(*args)`` at a home 0 .. workers - 1."""


def check_executor(given: Any) -> Executor:
    """Return what strips can live on, or say what is missing and what to use instead."""
    if isinstance(getattr(given, "workers", None), int) and callable(
        getattr(given, "submit", None)
    ):
        kept: Executor = given
        return kept
    raise TypeError(
        "executor must have `workers`, how many homes there are, and `submit(home, function, "
        f"*args)`, which always reaches the same home by its number. Got {type(given).__name__}; "
        "use ThreadWorkers(n) or ProcessWorkers(n), DaskWorkers(client) for a Dask client, or one "
        "pool of a single worker for each home"
    )


class ThreadWorkers:
    """Homes in this process, a thread each.

    Parameters
    ----------
    workers : int, optional
        ``GROUNDPLAN_THREADS`` or the cores at hand, where left out.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or thread_count()
        self._homes = [ThreadPoolExecutor(1) for _ in range(self.workers)]

    def submit(self, home: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call ``function(*args)`` on the thread of a home."""
        return self._homes[home].submit(function, *args)

    def close(self) -> None:
        """End the threads."""
        for pool in self._homes:
            pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve(pipe: Any, threads: int) -> None:
    """Answer calls that come through a pipe until it closes; the main of a worker process."""
    os.environ["GROUNDPLAN_THREADS"] = str(threads)
    while True:
        try:
            function, args = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = (True, function(*args))
        except Exception as error:  # noqa: BLE001  it is raised again where the call came from
            answer = (False, error)
        pipe.send(answer)


class ProcessWorkers:
    """Homes in processes of this machine, each with its own interpreter and memory.

    Use it as a context manager, below ``if __name__ == "__main__":``, since a new process imports
    the script that started it.

    Parameters
    ----------
    workers : int
    threads_each : int
        Threads that the kernels of one process use.
    """

    def __init__(self, workers: int, *, threads_each: int = 1) -> None:
        if workers < 1:
            raise ValueError(f"workers must be >= 1. Got {workers}")
        self.workers = workers
        # a forked process would inherit the threads' locks, but not the threads
        context = multiprocessing.get_context("spawn")
        self._pipes, self.processes = [], []
        for _ in range(workers):
            mine, yours = context.Pipe()
            process = context.Process(target=_serve, args=(yours, threads_each), daemon=True)
            process.start()
            yours.close()
            self._pipes.append(mine)
            self.processes.append(process)
        self._homes = [ThreadPoolExecutor(1) for _ in range(workers)]

    def _call(self, home: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        pipe, process = self._pipes[home], self.processes[home]
        try:
            pipe.send((function, args))
            is_fine, answer = pipe.recv()
        except (EOFError, OSError) as lost:
            process.join(END_S)
            raise WorkerLostError(
                f"worker {home} of {self.workers} (process {process.pid}) ended with code "
                f"{process.exitcode} and took its strips along; start again with a fresh executor: "
                "below `if __name__ == '__main__':` where it ended at once, with fewer workers or "
                "smaller strips where memory ran out"
            ) from lost
        if not is_fine:
            raise answer
        return answer

    def submit(self, home: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call ``function(*args)`` in the process of a home."""
        return self._homes[home].submit(self._call, home, function, args)

    def close(self) -> None:
        """End the processes."""
        for pool in self._homes:
            pool.shutdown(cancel_futures=True)
        for pipe in self._pipes:
            pipe.close()
        for process in self.processes:
            process.join(END_S)
            if process.is_alive():
                process.terminate()
                process.join()
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _DaskResult:
    """A result on a cluster; a worker that vanishes is an error, not a wait without end."""

    def __init__(self, client: Any, address: str, future: Any) -> None:
        self._client, self._address, self._future = client, address, future

    def result(self) -> Any:
        """Wait for the call and return what it returned, or raise what it raised."""
        while True:
            try:
                return self._future.result(timeout=LOOK_S)
            except (Exception, CancelledError) as error:
                if self._address not in self._client.nthreads():
                    raise WorkerLostError(
                        f"the Dask worker at {self._address} is gone and took its strips along; "
                        "start again once the cluster is whole"
                    ) from error
                # a timeout of the call itself would leave the future done
                if not isinstance(error, TimeoutError) or self._future.done():
                    raise


class DaskWorkers:
    """Homes on the workers of a Dask cluster; Dask is needed only where this is used.

    Parameters
    ----------
    client : dask.distributed.Client
        Its workers at the time of the call are the homes, in the order of their addresses. Every
        one must have groundplan installed; one thread each is right.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._addresses = sorted(client.nthreads())
        self.workers = len(self._addresses)
        if not self.workers:
            raise ValueError("the Dask cluster has no workers")

    def submit(self, home: int, function: Callable[..., Any], *args: Any) -> _DaskResult:
        """Call ``function(*args)`` on the worker of a home."""
        address = self._addresses[home]
        pinned = {"workers": [address], "allow_other_workers": False, "pure": False}
        if carried_bytes(args) > LARGE:
            # straight to the worker instead of through the scheduler
            (data,) = self._client.scatter([args], workers=[address], hash=False)
            future = self._client.submit(_unpack, function, data, **pinned)
        else:
            future = self._client.submit(function, *args, **pinned)
        return _DaskResult(self._client, address, future)


def _unpack(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call a function with arguments that came as one piece."""
    return function(*args)


def carried_bytes(message: Any) -> int:
    """Return the bytes of the arrays in a message."""
    if isinstance(message, np.ndarray):
        return int(message.nbytes)
    if isinstance(message, dict):
        return sum(carried_bytes(part) for part in message.values())
    if isinstance(message, tuple | list):
        return sum(carried_bytes(part) for part in message)
    if is_dataclass(message):
        return sum(carried_bytes(getattr(message, part.name)) for part in fields(message))
    return 0
