"""A map by workers of dask: python examples/7_dask.py FOLDER [ADDRESS]

FOLDER holds msi.tif, sar_db.tif and model.safetensors, as the examples before write them. ADDRESS is that of a
scheduler, such as tcp://host:8786; without it, two workers start on this machine. All machines see FOLDER under the
same path. Any client will do: dask_jobqueue.SLURMCluster, dask_cuda.LocalCUDACluster, Coiled, a JupyterHub.
"""

import sys
from pathlib import Path

from distributed import Client, LocalCluster

import landcover_bdgf as bdgf


def main() -> None:
    folder = Path(sys.argv[1])
    stack = bdgf.align(folder / "msi.tif", folder / "sar_db.tif")
    where = sys.argv[2] if len(sys.argv) > 2 else LocalCluster(2, threads_per_worker=1, dashboard_address=":0")
    with Client(where) as client:
        made = bdgf.map_scene(folder / "model.safetensors", stack, folder / "by_dask.tif", client=client)
    print(f"{made}: land-cover map")


if __name__ == "__main__":  # workers on this machine import this file
    main()
