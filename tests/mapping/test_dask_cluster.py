"""Workers that could not make the same map are refused before the first task, in one line that names them."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client
from near_workers import workers_here

from landcover_bdgf.errors import BdgfError, OutputError, RasterError, ResourceError, SettingsError
from landcover_bdgf.mapping import dask_cluster
from landcover_bdgf.mapping.dask_cluster import check_workers, checked_cluster, opened_client
from landcover_bdgf.model.run import Run

WORKER = r"worker inproc://\S+: "


def test_good_workers_are_told_apart_from_the_client_by_nothing(near_client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    cluster = checked_cluster(near_client, tmp_path, Run(seed=3), files=[tmp_path / "a.tif", Path("/vsicurl/x.tif")])
    assert (cluster.run, cluster.device.type, cluster.waiting_parts) == (Run(seed=3, threads=1), "cpu", 4)
    assert checked_cluster(near_client, tmp_path, Run(threads=5)).run.threads == 5
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_other_versions_are_refused(near_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "version", lambda package: "0.0.1")
    with pytest.raises(ResourceError, match=WORKER + r"has bdgf \S+, and this machine has 0\.0\.1\. Install the same"):
        checked_cluster(near_client, tmp_path, Run())
    monkeypatch.setattr(dask_cluster, "COMPARED", {"no-such-package": "torch"})
    with pytest.raises(ResourceError, match=WORKER + r"has no torch, and this machine has 0\.0\.1"):
        checked_cluster(near_client, tmp_path, Run())


def test_a_folder_or_an_image_that_workers_do_not_see_is_refused(
    near_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RasterError, match=r"gone\.tif: is not seen by worker inproc://\S+\. Put it where all"):
        checked_cluster(near_client, tmp_path, Run(), files=[tmp_path / "gone.tif"])
    monkeypatch.setattr(dask_cluster, "SEEN_WITHIN_S", 0.1)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: 0)  # as on a disk of this machine alone
    unshared = r"is not seen by worker inproc://\S+\. Write the map into a folder that all"
    with pytest.raises(OutputError, match=unshared):
        checked_cluster(near_client, tmp_path, Run())
    monkeypatch.setattr(dask_cluster, "SEEN_WITHIN_S", 1e6)  # a folder that is not there is not waited for
    with pytest.raises(OutputError, match=unshared):
        checked_cluster(near_client, tmp_path / "here alone", Run())


def test_devices_must_be_of_one_kind(near_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResourceError, match=r"is not available on this machine \(on worker inproc://"):
        checked_cluster(near_client, tmp_path, Run(device="cuda:77"))
    answers = {"a": "cpu", "b": "cuda"}
    monkeypatch.setattr(dask_cluster, "_on_all", lambda *_: answers)
    with pytest.raises(ResourceError, match=r"worker b: computes on cuda, and worker a on cpu\. Choose one kind"):
        dask_cluster._device(near_client, "auto")


def test_a_worker_that_cannot_run_bdgf_is_named(near_client: Client) -> None:
    def broken() -> None:
        raise ModuleNotFoundError("No module named 'landcover_bdgf'")

    with pytest.raises(ResourceError, match=WORKER + r"cannot run bdgf \(ModuleNotFoundError: No module named"):
        dask_cluster._on_all(near_client, broken)


def test_the_next_worker_is_waited_for_where_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "ASKED_TIMES", 1)
    with workers_here(1) as client:
        assert client.cluster is not None
        client.cluster.scale(0)
        while client.nthreads():
            time.sleep(0.05)
        threading.Timer(0.5, client.cluster.scale, [1]).start()
        assert [*dask_cluster._on_all(client, int).values()] == [0]


def test_a_part_of_a_map_is_not_shared(near_client: Client, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`shard=1/2`: is a part of a map, and the workers make the whole"):
        checked_cluster(near_client, tmp_path, Run(), shard="1/2")


@pytest.mark.parametrize("address", ["local", "local:0", "host:8786", "tcp://host", "file:///etc/passwd:1"])
def test_addresses_are_checked(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"`dask={address}`: is not the address of a dask scheduler. Write it like"):
        check_workers(address, tmp_path)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_nobody_or_another_service_at_an_address_is_told_within_seconds(
    answer: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the dashboard of a scheduler, whose port is the next; or one that never says a word."""
    monkeypatch.setattr(dask_cluster, "STARTED_WITHIN_S", 0.1)
    monkeypatch.setattr(dask_cluster, "CONNECTED_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answer is not None else 1

        def reply() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(answer or b"")
                    connection.recv(1 << 16)
                    time.sleep(1)

        threading.Thread(target=reply, daemon=True).start()
        with pytest.raises(
            ResourceError, match=rf"tcp://127\.0\.0\.1:{port}: no scheduler of dask answers\. Start one"
        ):
            check_workers(f"tcp://127.0.0.1:{port}", tmp_path)


def test_a_port_that_cannot_be_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "STARTED_WITHIN_S", 0.1)
    with pytest.raises(ResourceError, match="tcp://localhost:99999: no scheduler of dask answers"):
        check_workers("tcp://localhost:99999", tmp_path)


def test_dask_is_asked_for_by_name_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "find_spec", lambda name: None)
    with pytest.raises(BdgfError, match=r"`dask`: needs the package distributed\. pip install 'landcover"):
        check_workers("local:2", tmp_path)


def test_dask_is_quiet_from_its_first_line() -> None:
    """In a process that has not loaded dask, as of a command."""
    code = (
        "import logging; from landcover_bdgf.mapping.dask_cluster import opened_client\n"
        "if __name__ == '__main__':\n"
        "    with opened_client('local:1'): logging.getLogger('distributed.scheduler').warning('heard')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "")


def test_a_worker_that_is_killed_while_it_starts_again_is_replaced() -> None:
    """On a machine where starting again takes longer than dask waits for it."""
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}), opened_client("local:1") as client:
        assert client is not None
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for child in filter(is_worker, psutil.Process().children()):
                child.kill()
            time.sleep(0.2)
        client.wait_for_workers(1, timeout=60)


def is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def test_without_an_address_there_is_no_client() -> None:
    level = logging.getLogger("distributed").level
    with opened_client(None) as client:
        assert client is None
    assert logging.getLogger("distributed").level == level
