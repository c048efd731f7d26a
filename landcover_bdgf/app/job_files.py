"""The files that the whole job writes, known before PyTorch is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from landcover_bdgf.app.resuming import steps_folder
from landcover_bdgf.assessment import report_product
from landcover_bdgf.labels import samples_product
from landcover_bdgf.mapping import MapSettings, map_product, model_item_path
from landcover_bdgf.model import checkpoint_product
from landcover_bdgf.storage import Product


def job_products(output: Path, model: Path, mapping: MapSettings) -> list[Product]:
    """The map, the model, and the products of the steps if their folder exists."""
    folder = steps_folder(output)
    steps = [
        samples_product(folder / "samples.gpkg"),
        checkpoint_product(folder / "denoiser.safetensors"),
        report_product(folder / "report"),
    ]
    return [map_product(output, mapping), model_product(model, mapping), *(steps if folder.is_dir() else [])]


def model_product(model: Path, mapping: MapSettings) -> Product:
    """A model that is trained for maps, with its STAC item if they have one."""
    trained = checkpoint_product(model)
    items = (model_item_path(model),) if mapping.stac else ()
    return replace(trained, companions=(*trained.companions, *items))
