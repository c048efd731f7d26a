"""Land-cover maps from a spectral and a SAR image, by balanced diffusion-guided fusion (arXiv 2509.23310).

The files tell the story in this order:

=====================  =========================================================================
errors, progress       what can go wrong; how far the work is
limits                 what the system lets a process take
regular, parsing       no pipes in the place of files; JSON and TOML out of files
gdal, door, gcps       GDAL without its dangers; a raster file looked at; one that points place
crs_text               a CRS as written down, looked at: it names no file
locks, output          who writes what; files whole or not at all
grid, raster           where pixels lie; raster files read and written
provenance, cache      where an output comes from, beside it; results kept between runs
bands, folders, pixels names and wavelengths; files that hold bands; raw values to physical ones and their mask
resample, image, dates values on another grid; one sensor's image, of one file or many; its day
coregister, pairing    how far the sensors are shifted; whether they fit together
stack                  step: align. Both images on one grid, tile by tile
symbology, legend      for QGIS and GDAL; classes with names and colours
geopackage             a GeoPackage looked at: tables, no views
vector, labels         vector files; labelled pixels out of polygons and points
sample_set, split      labelled pixels with their part; how they are divided
sample_file, samples   as a file; step: sample
recipe, scaling        settings of the method; from physical values to what networks see
history, checkpoint    losses; a denoiser or a model in one file
foreign                whether a scene is like that of a checkpoint
device, fit            where and how it runs; the optimisation loop under both trainings
networks/              the method, torch only
blocks, features       the scene in blocks, each pixel read once; what the networks see
windows                windows round labelled pixels
journal, parts         what a run has finished; step: mosaic, the map out of its parts
domain, classifier     what is unlike all training pixels; a model applied to blocks
posttraining           how sure a network may be, and what it was trained on
pretraining            step: the denoiser, without labels
training               step: the fusion network
memory, mapping        tiles and threads that fit; step: the map
reference, accuracy    pixels to compare a map with; the figures
calibration            whether probabilities are honest
figures, report_folder pictures for the page; a folder written whole
report                 step: assess
diagnostics            a picture of what the denoiser does
chain                  the whole job
simulate, demo         a scene by formula; the whole job on it
check, info            looks before the work; says what a file holds
bench/                 accuracy of many methods on many scenes, honestly
terminal, options      what the terminal shows; options that commands share
cli                    the command line: parses, makes one call, prints
=====================  =========================================================================

Imports point one way, down to up in this list. Geography (grid … samples, accuracy, report) never
imports torch; networks/ never imports rasterio, geopandas or files; both meet from features on. The steps
pretraining, training and mapping do not import each other. A test holds this.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landcover_bdgf.chain import Job, run_job
    from landcover_bdgf.checkpoint import Checkpoint, load_checkpoint
    from landcover_bdgf.device import Run
    from landcover_bdgf.errors import BdgfError
    from landcover_bdgf.mapping import MapSettings, map_scene
    from landcover_bdgf.parts import mosaic
    from landcover_bdgf.pretraining import pretrain
    from landcover_bdgf.recipe import Recipe, load_recipe
    from landcover_bdgf.report import assess
    from landcover_bdgf.samples import Samples, SampleSettings, read_samples, sample, write_samples
    from landcover_bdgf.stack import AlignSettings, Stack, align
    from landcover_bdgf.training import train

__all__ = [
    "AlignSettings",
    "BdgfError",
    "Checkpoint",
    "Job",
    "MapSettings",
    "Recipe",
    "Run",
    "SampleSettings",
    "Samples",
    "Stack",
    "align",
    "assess",
    "load_checkpoint",
    "load_recipe",
    "map_scene",
    "mosaic",
    "pretrain",
    "read_samples",
    "run_job",
    "sample",
    "train",
    "write_samples",
]

_HOME = {
    "chain": ("Job", "run_job"),
    "checkpoint": ("Checkpoint", "load_checkpoint"),
    "device": ("Run",),
    "errors": ("BdgfError",),
    "mapping": ("MapSettings", "map_scene"),
    "parts": ("mosaic",),
    "pretraining": ("pretrain",),
    "recipe": ("Recipe", "load_recipe"),
    "report": ("assess",),
    "samples": ("SampleSettings", "Samples", "read_samples", "sample", "write_samples"),
    "stack": ("AlignSettings", "Stack", "align"),
    "training": ("train",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``bdgf --help`` must not wait for torch."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"landcover_bdgf.{module}"), name)
    raise AttributeError(f"module 'landcover_bdgf' has no attribute {name!r}")
