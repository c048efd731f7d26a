"""Label, train, map, find out where to label next, label: python examples/4_label_next.py FOLDER [RECIPE]

FOLDER holds msi.tif, sar_db.tif and labels.gpkg, as 1_simulated_scene.py writes them. It begins with two polygons of
each class. The places to label next are labelled from the truth of the simulation; on real scenes, fill in their field
``class`` in QGIS: ``bdgf where landcover.tif --probabilities landcover_probabilities.tif -n 12 -o places.gpkg``.
"""

import sys
from pathlib import Path

import geopandas
import pandas

import landcover_bdgf as bdgf
from landcover_bdgf.scene.simulation import COVERS, simulate

folder = Path(sys.argv[1])
recipe = bdgf.load_recipe(sys.argv[2] if len(sys.argv) > 2 else "laptop")
stack = bdgf.align(folder / "msi.tif", folder / "sar_db.tif")
truth = simulate((96, 128), seed=1)

labels = geopandas.read_file(folder / "labels.gpkg").groupby("class").head(2)[["class", "geometry"]]
for turn in (1, 2):
    output = folder / f"turn_{turn}.tif"
    labels.to_file(folder / f"labels_{turn}.gpkg")
    job = bdgf.Job(
        folder / f"labels_{turn}.gpkg", "class", output, folder / f"turn_{turn}.safetensors", recipe,
        mapping=bdgf.MapSettings(probabilities=True),
    )  # fmt: skip
    bdgf.run_job(stack, job)
    codes = bdgf.map_scene(job.model, stack).codes
    names = sorted(cover.name for cover in COVERS)  # in the order of their codes in the map
    right = [[cover.name for cover in COVERS].index(name) + 1 for name in names]
    share = sum(((codes == code) & (truth.classes == true)).sum() for code, true in enumerate(right, 1)) / codes.size
    print(f"turn {turn}: {len(labels)} polygons, {100 * share:.0f} % of the scene are right")

    places = bdgf.where(output, folder / f"turn_{turn}_probabilities.tif", bdgf.WhereSettings(number=12))
    print(places[["id", "reason", "margin"]].head(3).to_string(index=False))
    rows, cols = truth.grid.rowcol(places.geometry.centroid.x, places.geometry.centroid.y)
    seen = truth.classes[rows.round().astype(int), cols.round().astype(int)]
    places["class"] = [COVERS[code - 1].name for code in seen]
    labels = pandas.concat([labels, places[["class", "geometry"]]], ignore_index=True)
