"""Land-cover maps from a spectral and a SAR image, by balanced diffusion-guided fusion (arXiv 2509.23310).

The files tell the story in this order:

==================  ============================================================================
errors, progress    what can go wrong; how far the work is
grid, output        where pixels lie on the ground; files that appear whole or not at all
raster              raster files: read, write
bands, image        names and wavelengths; one sensor's image, from one file, a folder or several
resample            values on another grid, the same whatever window is read
coregister, stack   how far the sensors are shifted; both on one grid (step: align)
legend, samples     classes; labelled pixels and their split (step: sample)
recipe, scaling     settings of the method; from physical values to what the networks see
device, fit         where and how it runs; the optimisation loop under both trainings
checkpoint          a denoiser or a model in one file
networks/           the method, torch only
features            what the networks see at each pixel
pretrain            step: the denoiser, without labels
train               step: the fusion network
mapping             step: the map
accuracy, report    step: assess
chain               the whole job
check, info         looks before the work; says what a file holds
cli                 the command line: parses, makes one call, prints
==================  ============================================================================

Imports point one way, down to up in this list. Geography (grid … samples, accuracy, report) never imports
torch; networks/ never imports rasterio, geopandas or files; both meet in features, pretrain, train and
mapping, which do not import each other except for features. A test holds this.
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
    from landcover_bdgf.pretrain import pretrain
    from landcover_bdgf.recipe import Recipe, load_recipe
    from landcover_bdgf.report import assess
    from landcover_bdgf.samples import Samples, SampleSettings, read_samples, sample, write_samples
    from landcover_bdgf.stack import AlignSettings, Stack, align
    from landcover_bdgf.train import train

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
    "pretrain": ("pretrain",),
    "recipe": ("Recipe", "load_recipe"),
    "report": ("assess",),
    "samples": ("SampleSettings", "Samples", "read_samples", "sample", "write_samples"),
    "stack": ("AlignSettings", "Stack", "align"),
    "train": ("train",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``bdgf --help`` must not wait for torch."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"landcover_bdgf.{module}"), name)
    raise AttributeError(f"module 'landcover_bdgf' has no attribute {name!r}")
