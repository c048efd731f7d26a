"""The main job in Python: python examples/2_python_api.py FOLDER [RECIPE]

FOLDER holds msi.tif, sar_db.tif and labels.gpkg, as 1_simulated_scene.py writes them. Images are read with rioxarray
where it is installed, else from their files; the results are the same.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import geopandas

import landcover_bdgf as bdgf

folder = Path(sys.argv[1])
recipe = bdgf.load_recipe(sys.argv[2] if len(sys.argv) > 2 else "laptop")
images = folder / "msi.tif", folder / "sar_db.tif"
if find_spec("rioxarray"):
    import rioxarray

    images = tuple(rioxarray.open_rasterio(path) for path in images)

stack = bdgf.align(*images)
print(stack)

polygons = geopandas.read_file(folder / "labels.gpkg")
samples = bdgf.sample(stack, polygons, field="class")
print(samples)

denoiser = bdgf.pretrain(stack, recipe, samples=samples)
model = bdgf.train(stack, samples, denoiser=denoiser)
model.save(folder / "model.safetensors")

bdgf.map_scene(model, stack, folder / "landcover.tif")
print(bdgf.assess(folder / "landcover.tif", model.left_out))  # models of other folds judge each label

landcover = bdgf.map_scene(folder / "model.safetensors", stack)  # the same map as an array
print(landcover)
