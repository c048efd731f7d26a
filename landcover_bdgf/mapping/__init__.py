"""Mapping: classify a scene, and join maps.

=============  ================================================================
settings       settings of a map
scene_map      map_scene; map_checks: checks before it; map_outputs: its files
many_scenes    map_scenes; scene_outputs: its files; scene_results: what became of each scene
partial_map    the folder of an unfinished map
map_work       what is left to compute of a map; window_blocks: its windows
shared_map     maps computed by workers of dask; shared_run: what a worker does
dask_cluster   workers, found and checked; dask_queue: their tasks
map_files      writing a map; map_record: what it is made of
finished_maps  open finished maps
mosaicking     mosaic; joining: finished maps of several grids
mosaic_grid    the grid of a mosaic; overlaps: how maps agree; condition_counts: sensors of its pixels
sieving        sieve; patches: small patches of a map
stac_item      a STAC item of a map; model_item: of its model
polygonizing   polygons; seams: polygons of a raster, strip by strip
memory         tile size and threads within a memory limit
=============  ================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
