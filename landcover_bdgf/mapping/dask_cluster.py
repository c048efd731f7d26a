"""Workers of dask.distributed: found, checked before the first task, and described by what a map needs to know."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from landcover_bdgf.errors import BdgfError, OutputError, RasterError, ResourceError, SettingsError, unwritten
from landcover_bdgf.model import Run, available_threads
from landcover_bdgf.progress import log
from landcover_bdgf.storage import absolute_path, is_remote

if TYPE_CHECKING:
    import torch
    from distributed import Client

STARTED_WITHIN_S = 2.0  # a scheduler that is started together with the map
CONNECTED_WITHIN_S = 5
ASKED_TIMES = 5
SEEN_WITHIN_S = 3.0  # a new file of another machine, on a network disk
COMPARED = {"landcover-bdgf": "bdgf", "torch": "torch"}  # packages whose versions must agree, and their names
_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_SHARE = "Write the map into a folder that all machines share under the same path."
# Ctrl-C in a terminal reaches all processes; the one that asked for the map tells the others to stop.
_IGNORE_CTRL_C = "import signal\ndef dask_setup(worker):\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@dataclass(frozen=True)
class Cluster:
    """Workers that were checked: the client that reaches them, the run of each, and the device that all have."""

    client: Client
    run: Run
    device: torch.device

    @property
    def waiting_parts(self) -> int:
        """Parts to hand over at a time: enough for all workers that are there, so that the scheduler holds few."""
        return max(4, 2 * len(self.client.nthreads()))


@contextmanager
def opened_client(address: str | None) -> Iterator[Client | None]:
    """A client of ``local:4``, new workers that share the cores of this machine, or of a scheduler; or none.

    Raises
    ------
    SettingsError
        The address cannot be read, or distributed is not installed.
    ResourceError
        No scheduler answers.
    """
    if address is None:
        yield None
        return
    check_address(address)
    local = _LOCAL.fullmatch(address)
    if not local:
        _reach(address)
    with quiet_dask(), _own_workers(int(local[1])) if local else _scheduler(address) as client:
        yield client


@contextmanager
def _own_workers(count: int) -> Iterator[Client]:
    """A client of new workers that share the cores of this machine."""
    import dask
    from distributed import Adaptive, Client, LocalCluster, Status

    class Restarting(Adaptive):
        """Start workers again that dask gives up: those that die, or take long, while they start again."""

        async def recommendations(self, target: int) -> Any:
            workers: dict[Any, Any] = self.cluster.workers  # type: ignore[attr-defined]
            for name in [name for name, worker in workers.items() if worker.status in (Status.failed, Status.closed)]:
                del workers[name]
            return await super().recommendations(target)

    log.info("starting %d workers on this machine", count)
    how: dict[str, Any] = {"dashboard_address": ":0", "memory_limit": 0, "preload": [_IGNORE_CTRL_C]}
    threads = max(1, available_threads() // count)
    environment = {"OMP_NUM_THREADS": str(threads), "DASK_LOGGING__DISTRIBUTED": "critical"}
    before_start = "distributed.nanny.pre-spawn-environ"
    with (
        dask.config.set({f"{before_start}.{name}": value for name, value in environment.items()}),
        LocalCluster(count, threads_per_worker=1, processes=True, silence_logs=False, **how) as own,
        Client(own, set_as_default=False) as client,
    ):
        own.adapt(Adaptive=Restarting, minimum=count, maximum=count)
        yield client


@contextmanager
def _scheduler(address: str) -> Iterator[Client]:
    """A client of a scheduler; ResourceError if none answers."""
    from distributed import Client

    try:
        asyncio.run(asyncio.wait_for(_greet(address), CONNECTED_WITHIN_S))
        client = Client(address, timeout=CONNECTED_WITHIN_S, set_as_default=False)
    except Exception as error:  # another service may answer anything
        raise _no_scheduler(address) from error
    with client:
        yield client


def _reach(address: str) -> None:
    """Connect once, before dask is loaded; ResourceError if nobody listens."""
    where = urlsplit(address)
    if where.scheme == "ucx":
        return
    until = time.monotonic() + STARTED_WITHIN_S
    while True:
        try:
            socket.create_connection((where.hostname, where.port), CONNECTED_WITHIN_S).close()
            return
        except ValueError as error:  # no name or port of a machine
            raise _no_scheduler(address) from error
        except OSError as error:
            if time.monotonic() > until:
                raise _no_scheduler(address) from error
        time.sleep(0.2)


def _no_scheduler(address: str) -> ResourceError:
    remedy = "Start one with dask scheduler, and workers with dask worker, or check the address."
    return ResourceError(address, "no scheduler of dask answers", remedy)


async def _greet(address: str) -> None:
    """Exchange greetings with a scheduler; a client waits for them forever where another service listens."""
    from distributed.comm.core import connect
    from distributed.security import Security

    await (await connect(address, **Security().get_connection_args("client"))).close()


def check_address(address: str) -> None:
    """SettingsError if it is neither ``local:N`` nor the address of a scheduler, or distributed is not installed."""
    if not (_LOCAL.fullmatch(address) or re.fullmatch(r"(tcp|tls|ucx|wss?)://\S+:\d+/?", address)):
        remedy = "Write it like local:4 or tcp://host:8786."
        raise SettingsError(f"`dask={address}`", "is not the address of a dask scheduler", remedy)
    if find_spec("distributed") is None:
        raise SettingsError("`dask`", "needs the package distributed", "pip install 'landcover-bdgf[dask]'")


@contextmanager
def quiet_dask() -> Iterator[None]:
    """Without the log of distributed, which tells of every worker that comes and goes."""
    import distributed  # noqa: F401  # sets these levels when it is loaded

    names = ("distributed", "distributed.nanny", "distributed.client", "distributed.core", "tornado.application")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def checked_cluster(
    client: Client, folder: Path, run: Run, *, files: Sequence[Path] = (), shard: str = "1/1"
) -> Cluster:
    """Check all workers that are there, before the first task.

    Parameters
    ----------
    client : dask.distributed.Client
    folder : Path
        Where the map is written.
    run : Run
        Of each worker; without ``threads``, as many as dask or OMP_NUM_THREADS gives the smallest worker.
    files : sequence of Path
        The images.
    shard : str
        Of the settings of the map.

    Raises
    ------
    SettingsError
        Only a shard is wanted.
    ResourceError
        A worker has another version of bdgf or torch, or workers have different devices.
    OutputError, RasterError
        A worker does not see the folder or an image.
    """
    if shard != "1/1":
        raise SettingsError(f"`shard={shard}`", "is a part of a map, and the workers make the whole", "Leave out one.")
    _check_versions(client)
    _check_shared(client, folder, files)
    return Cluster(client, replace(run, threads=run.threads or _threads(client)), _device(client, run.device))


def check_workers(address: str, folder: Path) -> None:
    """What :func:`checked_cluster` refuses, as far as it is known before images are opened; starts no workers."""
    check_address(address)
    if _LOCAL.fullmatch(address) or not folder.is_dir():
        return
    with opened_client(address) as client:
        if client is not None and client.nthreads():
            _check_versions(client)
            _check_shared(client, folder, ())


def _check_versions(client: Client) -> None:
    def versions(packages: tuple[str, ...]) -> dict[str, str | None]:  # runs on workers that may have no bdgf
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = {}
        for package in packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = None
        return found

    for worker, found in _on_all(client, versions, tuple(COMPARED)).items():
        for package, name in COMPARED.items():
            if found[package] != version(package):
                raise other_version(f"worker {worker}", name, found[package], version(package))


def _check_shared(client: Client, folder: Path, files: Sequence[Path]) -> None:
    """Check that all workers read what this process writes into a folder, and have the files at the same paths."""

    def seen(path: str, token: str, files: list[str], within_s: float) -> str | None:
        import os
        import time

        until = time.monotonic() + (within_s if os.path.isdir(os.path.dirname(path)) else 0)
        while time.monotonic() <= until:
            try:
                with open(path, encoding="ascii") as file:
                    if file.read() == token:
                        return next((file for file in files if not os.path.exists(file)), None)
            except OSError:
                pass
            time.sleep(0.05)
        return path

    token = secrets.token_hex(8)
    path = Path(absolute_path(folder)) / f".{token}.shared"
    here = [absolute_path(file) for file in files if not is_remote(str(file))]
    try:
        path.write_text(token, encoding="ascii")
        lacking = _on_all(client, seen, str(path), token, here, SEEN_WITHIN_S)
    except OSError as error:
        raise unwritten(folder, error) from error
    finally:
        with suppress(OSError):
            path.unlink()
    for worker, missing in lacking.items():
        if missing == str(path):
            raise OutputError(folder, f"is not seen by worker {worker}", _SHARE)
        if missing is not None:
            raise RasterError(missing, f"is not seen by worker {worker}", "Put it where all machines see it.")


def _threads(client: Client) -> int:
    def threads(dask_worker: Any) -> int:
        import os

        wanted = os.environ.get("OMP_NUM_THREADS", "")
        return max(dask_worker.state.nthreads, int(wanted) if wanted.isdigit() else 1)

    return min(_on_all(client, threads).values())


def _device(client: Client, name: str) -> torch.device:
    """The kind of device that all workers compute on; ResourceError if there are several."""
    import torch

    def kind(name: str) -> str:
        from landcover_bdgf.model import Run

        return Run(device=name).torch_device().type

    found = _on_all(client, kind, name)
    (first, device), *others = found.items()
    for worker, other in others:
        if other != device:
            problem = f"computes on {other}, and worker {first} on {device}"
            raise ResourceError(f"worker {worker}", problem, 'Choose one kind with `device="cpu"` or `device="cuda"`.')
    return torch.device(device)


def other_version(worker: str, name: str, found: str | None, wanted: str) -> ResourceError:
    """The error of a worker with another version of a package, or without it."""
    has = f"has {name} {found}" if found else f"has no {name}"
    return ResourceError(worker, f"{has}, and this machine has {wanted}", "Install the same versions on all machines.")


def _on_all(client: Client, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a function returns on each worker; ResourceError if it cannot run there.

    Workers that end meanwhile are ignored; later ones are checked with their first task. If none is left, this waits
    for the next, as in the middle of a map.
    """
    for _ in range(ASKED_TIMES):
        if not client.nthreads():
            log.info("waiting for a worker of dask")
            client.submit(int, pure=False).result()  # a cluster that adapts starts workers for tasks only
        answers = client.run(function, *arguments, on_error="return")
        found = {worker: result for worker, result in answers.items() if not isinstance(result, OSError)}
        if found:
            break
        time.sleep(1)
    else:
        raise ResourceError(None, "no worker of dask answers", "Start some with dask worker.")
    for worker, result in found.items():
        if isinstance(result, BdgfError):
            raise type(result)(result.path, f"{result.problem} (on worker {worker})", result.remedy)
        if isinstance(result, Exception):
            problem = f"cannot run bdgf ({type(result).__name__}: {result})"
            remedy = "Install the same versions of Python and bdgf on all machines."
            raise ResourceError(f"worker {worker}", problem, remedy)
    return found
