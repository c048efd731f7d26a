"""Step: a class for every pixel that has data, tile by tile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.blocks import BLOCK_PX, Block, BlockStream
from landcover_bdgf.checkpoint import Checkpoint, fit_stack
from landcover_bdgf.device import Run, open_workers
from landcover_bdgf.errors import CheckpointError, SettingsError
from landcover_bdgf.features import Viewer
from landcover_bdgf.legend import Legend, write_companions
from landcover_bdgf.networks.fusion import FusionNetwork, Inputs, apply_dense
from landcover_bdgf.progress import Advance, log, progress
from landcover_bdgf.provenance import record, write_record
from landcover_bdgf.raster import PathLike, RasterProfile, check_output, write_raster
from landcover_bdgf.scaling import Scaling, sample_pixels
from landcover_bdgf.stack import Stack

NODATA = 0  # of the class raster
CONFIDENCE_NODATA = 255
SAR_USUAL = 2.5  # standard deviations of log intensity
FOREIGN_SHARE = 0.5  # of values outside the training scene's percentiles; the scene itself has 0.02


@dataclass(frozen=True)
class MapSettings:
    """How to map: side of the tiles that are written (no bit of the map depends on it), confidence or not."""

    tile_px: int = 512
    confidence: bool = False


@dataclass(frozen=True)
class Classified:
    """A piece of the map: codes (h, w), 0 where there is no data, and confidence in percent (h, w)."""

    codes: NDArray[np.uint16]
    confidence: NDArray[np.uint8]


class Classifier:
    """A model ready to classify blocks of a stack; :meth:`classify` may run in several threads."""

    def __init__(self, model: Checkpoint, run: Run) -> None:
        legend = _legend(model)
        seed = model.provenance.get("seed", run.seed)  # keyed noise, if any, must be that of the training
        self.viewer = Viewer.of(model.part("unet."), model.scaling, model.recipe, run.torch_device(), seed)
        scaling = model.scaling
        sizes = Inputs(scaling.bands, len(scaling.sar_mean), self.viewer.features, len(legend.entries))
        network = FusionNetwork(sizes, model.recipe.fusion)
        network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in model.part("fusion.").items()})
        self.network = network.eval().to(self.viewer.device)
        self.codes = np.array([entry.code for entry in legend.entries], np.uint16)

    @torch.no_grad()
    def classify(self, block: Block) -> Classified:
        """Classes of a block, without its halo."""
        halo = self.viewer.recipe.halo_px
        inner = block.seen.valid[halo:-halo, halo:-halo]
        if not inner.any():
            return Classified(np.zeros(inner.shape, np.uint16), np.full(inner.shape, CONFIDENCE_NODATA, np.uint8))
        seen = self.viewer.see(block)
        z = apply_dense(self.network, seen.spec, seen.sar, seen.dif)[0]
        probability, index = torch.softmax(z, dim=0).max(dim=0)
        codes = np.where(seen.valid, self.codes[index.cpu().numpy()], NODATA)
        percent = (probability * 100).round().to(torch.uint8).cpu().numpy()
        return Classified(codes.astype(np.uint16), np.where(seen.valid, percent, CONFIDENCE_NODATA).astype(np.uint8))


def map_scene(
    model: Checkpoint,
    stack: Stack,
    output: PathLike,
    *,
    settings: MapSettings | None = None,
    run: Run | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the land-cover map of a scene: a COG in the grid of the spectral image, codes from 1, 0 = no data.

    Beside it: class names for GDAL (``.aux.xml``) and a style for QGIS (``.qml``), its provenance
    (``.json``) and, on request, the confidence in percent (``…_confidence.tif``).

    Raises
    ------
    CheckpointError
        The scene's bands are not the model's.
    OutputError
        An output exists and ``overwrite`` is not given, or cannot be written.
    """
    settings, run, output = settings or MapSettings(), run or Run(), Path(output)
    inputs = [band.path for image in (stack.spectral, stack.sar) for band in image.bands]
    confidence = confidence_path(output)
    for path in [output, *([confidence] if settings.confidence else [])]:
        check_output(path, overwrite=overwrite, inputs=inputs)
    stack = fit_stack(model, stack, name="the model")
    warn_of_foreign_scene(model.scaling, stack, run)
    legend = _legend(model)
    classes = RasterProfile(
        str(legend.dtype), nodata=NODATA, band_names=("land cover",), colormap=legend.colors, overviews="mode"
    )
    percent = RasterProfile(
        "uint8", nodata=CONFIDENCE_NODATA, band_names=("confidence in percent",), overviews="average"
    )
    with tempfile.TemporaryFile(dir=output.parent) as spool:
        tiles = classified_tiles(model, stack, settings.tile_px, run)
        windows: list[Window] = []
        kept = _spooled(tiles, windows, spool if settings.confidence else None)
        write_raster(output, stack.grid, kept, profile=classes, overwrite=overwrite)
        if settings.confidence:
            spool.seek(0)
            again = _unspooled(windows, spool)
            write_raster(confidence, stack.grid, again, profile=percent, overwrite=overwrite)
    write_companions(output, legend)
    write_record(output, _record(model, stack, run))
    return output


def confidence_path(output: Path) -> Path:
    """``landcover.tif`` -> ``landcover_confidence.tif``."""
    return output.with_name(f"{output.stem}_confidence{output.suffix}")


def _legend(model: Checkpoint) -> Legend:
    if model.kind != "model" or model.legend is None:
        raise CheckpointError(f"a {model.kind} was given, a map needs a model: bdgf train makes one.")
    return model.legend


def _record(model: Checkpoint, stack: Stack, run: Run) -> dict[str, Any]:
    return record(
        "map",
        {"scene": stack.fingerprint()},
        training=model.provenance.get("training", {}),
        model={k: v for k, v in model.provenance.items() if k != "training"},
        recipe=model.recipe.model_dump(mode="json"),
        legend=json.loads(_legend(model).to_json()),
        seed=run.seed,
    )


def _spooled(
    tiles: Iterator[tuple[Window, Classified]], windows: list[Window], spool: IO[bytes] | None
) -> Iterator[tuple[Window, NDArray[np.uint16]]]:
    """Codes tile by tile; confidence goes to a file meanwhile, for its own raster after this one."""
    for window, classified in tiles:
        windows.append(window)
        if spool is not None:
            spool.write(classified.confidence.tobytes())
        yield window, classified.codes[None]


def _unspooled(windows: list[Window], spool: IO[bytes]) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    for window in windows:
        pixels = np.frombuffer(spool.read(window.height * window.width), np.uint8)
        yield window, pixels.reshape(1, window.height, window.width)


def classified_tiles(model: Checkpoint, stack: Stack, tile_px: int, run: Run) -> Iterator[tuple[Window, Classified]]:
    """The map of a scene, piece by piece; memory does not grow with the scene's height.

    What is read at once is a tile, what is computed at once always a block of one fixed lattice, so the size of
    the tiles changes no bit of the map.
    """
    classifier = Classifier(model, run)
    stream = BlockStream(stack, model.scaling, model.recipe.halo_px, _whole_blocks(tile_px, model.recipe.halo_px))
    strips = range(stream.strips)
    windows = list(stream.windows(strips))
    with (
        open_workers(run.workers(classifier.viewer.device)) as workers,
        progress("map", sum(len(_corners(window)) for window in windows)) as advance,
    ):
        blocks = workers.map(classifier.classify, stream.blocks(strips))
        for window in windows:
            if window.width and window.height:
                yield window, _assembled(window, blocks, advance)


def _whole_blocks(tile_px: int, halo_px: int) -> int:
    if tile_px < halo_px:
        raise SettingsError(
            f"--tile {tile_px}: is smaller than the {halo_px} px that a window reaches. Use {BLOCK_PX} or more."
        )
    return -(-tile_px // BLOCK_PX) * BLOCK_PX


def _corners(window: Window) -> list[tuple[int, int]]:
    rows = range(window.row_off, window.row_off + window.height, BLOCK_PX)
    cols = range(window.col_off, window.col_off + window.width, BLOCK_PX)
    return [(r, c) for r in rows for c in cols]


def _assembled(window: Window, blocks: Iterator[Classified], advance: Advance) -> Classified:
    codes = np.zeros((window.height, window.width), np.uint16)
    confidence = np.zeros((window.height, window.width), np.uint8)
    for row, col in _corners(window):
        block = next(blocks)
        r, c = row - window.row_off, col - window.col_off
        height, width = min(BLOCK_PX, window.height - r), min(BLOCK_PX, window.width - c)
        codes[r : r + height, c : c + width] = block.codes[:height, :width]
        confidence[r : r + height, c : c + width] = block.confidence[:height, :width]
        advance()
    return Classified(codes, confidence)


def warn_of_foreign_scene(scaling: Scaling, stack: Stack, run: Run) -> None:
    """Say so when a scene's values lie outside what the model was trained on: its map may be worthless."""
    spectral, sar = sample_pixels(stack, exclude=None, seed=run.seed)
    centre, half = (scaling.low + scaling.high) / 2, (scaling.high - scaling.low) / 2
    shares = {
        "spectral": float((np.abs(spectral - centre[:, None]) > half[:, None]).mean()),
        "SAR": float((np.abs(scaling.sar(sar)) > SAR_USUAL).mean()),
    }
    for sensor, share in shares.items():
        if share > FOREIGN_SHARE:
            log.warning(
                "%.0f %% of the %s values lie outside what the model was trained on (another unit, offset or "
                "landscape). Do not trust this map before you have checked it; better train on this scene",
                100 * share, sensor,
            )  # fmt: skip
