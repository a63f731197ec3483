"""Who does the work: this process, processes beside it, or a dask cluster; all give the same events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from napari_instseg.core.errors import InputError, InstsegError

Task = Callable[..., dict[str, int]]
Outcome = tuple[int, dict[str, int] | str]
"""Number of a call, and what it gave or, in words, why it failed."""


class Executor(Protocol):
    """Does many calls in any order."""

    def run(self, task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[Outcome]:
        """Yield each outcome as soon as it is there; closing the iterator stops."""


def attempt(task: Task, call: tuple[Any, ...]) -> dict[str, int] | str:
    """Call, and give an error in words: not every error survives the way between processes."""
    try:
        return task(*call)
    except InstsegError as error:
        return str(error)
    except Exception as error:  # whatever is wrong with one block, the others are done
        from napari_instseg.inference.tiles import is_out_of_memory

        if is_out_of_memory(error):
            return "There is not enough memory for it. Use fewer workers, or say a smaller --tile."
        return f"{type(error).__name__}: {error}"


class Serial:
    """One call after the other, in this process."""

    def run(self, task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[Outcome]:
        """See `Executor`."""
        for number, call in enumerate(calls):
            yield number, attempt(task, call)


class Pool:
    """Processes on this machine; one that dies is replaced, and what it did is done again.

    Parameters
    ----------
    workers : int
    """

    MOST_DEATHS = 3
    """How often the calls of a dead process are tried again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[Outcome]:
        """See `Executor`."""
        left = dict(enumerate(calls))
        deaths: dict[int, int] = {}
        while left:
            pool = self._start()
            waiting: dict[Future[Any], int] = {}
            try:
                order = iter(sorted(left, key=lambda number: (deaths.get(number, 0), number)))
                for number in order:
                    waiting[pool.submit(attempt, task, left[number])] = number
                    if len(waiting) >= 2 * self.workers:
                        break
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        number = waiting.pop(future)
                        outcome = future.result()
                        del left[number]
                        yield number, outcome
                        following = next(order, None)
                        if following is not None:
                            waiting[pool.submit(attempt, task, left[following])] = following
            except BrokenProcessPool:
                # it is not known whose process it was: all that were on their way are tried again, a few times
                suspects = [number for number in left if number in waiting.values()] or list(left)[: 2 * self.workers]
                for number in suspects:
                    deaths[number] = deaths.get(number, 0) + 1
                    if deaths[number] >= self.MOST_DEATHS * self.workers:
                        del left[number]
                        yield number, "The process that did it was ended from outside, as when memory runs out."
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        counter = context.Value("i", 0)
        return ProcessPoolExecutor(self.workers, context, initializer=_prepare, initargs=(counter, self.workers))


def _prepare(counter: Any, workers: int) -> None:
    """Return a new process its share of the processors, and a GPU of its own where there are several."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    share = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(share)
    import signal

    # Ctrl-C is for the process that asked; it ends the others in good order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(share)
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())


class Cluster:
    """A dask cluster, as a scheduler only: workers read and write files that all of them see.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, task: Task, calls: Sequence[tuple[Any, ...]]) -> Iterator[Outcome]:
        """See `Executor`."""
        from distributed import as_completed

        if not calls:
            return
        futures = self._client.map(attempt, [task] * len(calls), list(calls), pure=False, retries=2)
        numbers = {future.key: number for number, future in enumerate(futures)}
        try:
            for future in as_completed(futures):
                error = future.exception()
                outcome = future.result() if error is None else f"Its worker was lost: {error}"
                yield numbers[future.key], outcome
                future.release()
        finally:
            self._client.cancel(futures, force=True)


def connect(address: str) -> Any:
    """Connect to a scheduler.

    Raises
    ------
    InputError
        If dask is not installed, or no scheduler answers there.
    """
    distributed = _distributed()
    try:
        return distributed.Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        detail = str(error) or type(error).__name__
        raise InputError(
            f"No dask scheduler answers at '{address}' ({detail}). Start one by 'dask scheduler', and give the address "
            "that it prints, such as tcp://10.0.0.1:8786."
        ) from None


def start_slurm(options: str, workers: int) -> Any:
    """Ask SLURM for workers, through dask-jobqueue, and connect to them.

    Parameters
    ----------
    options : str
        As for sbatch: ``"--partition gpu --time 2:00:00 --mem 16G --cpus-per-task 4"``.
    workers : int
        How many.

    Raises
    ------
    InputError
        If dask-jobqueue or SLURM is not there.
    """
    import shlex
    import shutil

    distributed = _distributed()
    from dask_jobqueue import SLURMCluster

    if shutil.which("sbatch") is None:
        raise InputError("There is no 'sbatch' here, so no SLURM. Run this on a login node of the cluster.")
    words, directives = shlex.split(options), []
    position = 0
    while position < len(words):
        word = words[position]
        follows = position + 1 < len(words) and not words[position + 1].startswith("-")
        if word.startswith("-") and "=" not in word and follows:
            word, position = f"{word}{'=' if word.startswith('--') else ' '}{words[position + 1]}", position + 1
        directives.append(word)
        position += 1
    said = dict(one.split("=", 1) for one in directives if one.startswith("--") and "=" in one)
    cluster = SLURMCluster(
        cores=int(said.get("--cpus-per-task", 1)),
        processes=1,
        memory=said.get("--mem", "8GB").replace("G", "GB").replace("BB", "B"),
        walltime=said.get("--time", "04:00:00"),
        job_extra_directives=[one for one in directives if not one.startswith(("--cpus-per-task", "--mem", "--time"))],
    )
    cluster.scale(jobs=workers)
    return distributed.Client(cluster)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "dask.distributed is not installed. Install it by: pip install 'napari-instseg[cluster]'; or leave "
            "--scheduler and --slurm out and say --workers, or --job and --jobs."
        ) from None
    return distributed
