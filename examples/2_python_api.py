"""From images and labels to a map in Python: python examples/2_python_api.py FOLDER [RECIPE]

FOLDER contains msi.tif, sar_db.tif and labels.gpkg, as written by 1_simulated_scene.py.
"""

import sys
from pathlib import Path

import landcover_bdgf as bdgf

folder = Path(sys.argv[1])
recipe = bdgf.load_recipe(sys.argv[2] if len(sys.argv) > 2 else "laptop")

stack = bdgf.align(folder / "msi.tif", folder / "sar_db.tif")
samples = bdgf.sample(stack, folder / "labels.gpkg", field="class")
denoiser = bdgf.pretrain(stack, recipe, samples=samples)
model = bdgf.train(stack, samples, denoiser=denoiser)
bdgf.map_scene(model, stack, folder / "landcover.tif")
print(bdgf.assess(folder / "landcover.tif", samples.test))

model.save(folder / "model.safetensors")
