"""The command line in several processes, as a launcher would start them, but imported once for all.

``python forked_processes.py RUNS``, a list in JSON, of objects with ``count``, ``port``, ``words`` and, if the last
process is to press Ctrl-C in the second step of a training, ``stop``. Each run prints the exit codes at its end.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

from landcover_bdgf.geo.gdal_env import lock


def command(number: int, run: dict[str, Any]) -> int:
    count = run["count"]
    os.environ |= {"RANK": str(number), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(run["port"])}
    sys.argv = ["bdgf", *run["words"]]
    from landcover_bdgf.app.cli import main
    from landcover_bdgf.training import loop

    take = loop._step

    def stopping(task: Any, step: int, *rest: Any) -> dict[str, float]:
        if (task.name, step, number) == ("train", 1, count - 1):
            signal.raise_signal(signal.SIGINT)
        return take(task, step, *rest)

    if run.get("stop"):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop._step = stopping
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        return int(end.code or 0)
    return 1


lock()
for module in ("landcover_bdgf.app.job", "landcover_bdgf.app.cli", "torch._dynamo", "geopandas"):
    importlib.import_module(module)
for each in json.loads(sys.argv[1]):
    children = []
    for rank in range(each["count"]):
        if not (child := os.fork()):
            os._exit(command(rank, each))
        children.append(child)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
