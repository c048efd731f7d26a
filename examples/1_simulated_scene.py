"""Write the simulated scene of the demo: python examples/1_simulated_scene.py FOLDER"""

import sys
from pathlib import Path

from landcover_bdgf.scene.simulation import simulate, write_scene

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
scene = simulate((96, 128), seed=1)
files = write_scene(scene, folder, seed=1)

print(f"{files.spectral}: reflectance × 10,000 in {len(scene.reflectance)} bands")
print(f"{files.sar}: VV and VH in dB, on a grid of its own")
print(f"{files.labels}: polygons with the field {files.field!r}")
