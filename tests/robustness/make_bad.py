"""Bad inputs, each made from a small good scene; what each gets is in test_bad_inputs.py.

A case is a function that spoils a folder in which ``msi.tif``, ``sar.tif`` and ``labels.gpkg`` are good.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.warp
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.warp import transform_bounds

from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.sampling import sample
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

SHAPE_HW = (64, 72)
UTM, ORIGIN = CRS.from_epsg(32633), (399_960.0, 5_800_020.0)  # of the good scene
ADDRESS = "http://127.0.0.1:9/secret.tif"  # nobody answers there

Make = Callable[[Path], None]


def good_scene(folder: Path) -> None:
    """What is spoiled: 64 × 72 pixels, ten bands as int16, SAR in dB, six classes; samples; a model of few steps."""
    files = write_scene(simulate(SHAPE_HW, seed=3), folder, seed=3)
    files.sar.rename(folder / "sar.tif")
    stack = align(files.spectral, folder / "sar.tif")
    samples = sample(stack, files.labels, field="class")
    quick = "diffusion.width=0.0625", "diffusion.steps=2", "diffusion.batch=4", "training.steps=2", "training.batch=16"
    recipe = load_recipe("laptop", (*quick, "training.folds=0"))
    denoiser = pretrain(stack, recipe, samples=samples)
    denoiser.save(folder / "denoiser.safetensors")
    train(stack, samples, denoiser=denoiser).save(folder / "model.safetensors")
    write_samples(samples, folder / "samples.gpkg")


def pixels(folder: Path, name: str = "msi.tif") -> tuple[np.ndarray[Any, Any], dict[str, Any], tuple[str, ...]]:
    """Of a good image: its pixels, profile and band names."""
    with rasterio.open(folder / name) as file:
        kept = ("driver", "dtype", "nodata", "width", "height", "count", "crs", "transform")
        return file.read(), {k: file.profile[k] for k in kept}, file.descriptions


def image(
    change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = None,
    *,
    of: str = "msi.tif",
    to: str = "bad.tif",
    names: tuple[str, ...] | None = None,
    after: Callable[[Any], None] | None = None,
    **profile: Any,
) -> Make:
    """A raster like a good one with other pixels, another profile, other band names, or what ``after`` does to it."""

    def make(folder: Path) -> None:
        array, kept, described = pixels(folder, of)
        array = array if change is None else change(array)
        kept |= {"dtype": array.dtype, "count": len(array), "height": array.shape[1], "width": array.shape[2]}
        (folder / to).parent.mkdir(exist_ok=True)
        with rasterio.open(folder / to, "w", **(kept | profile)) as file:
            file.write(array.astype(file.dtypes[0]))
            for index, name in enumerate((described if names is None else names)[: len(array)], start=1):
                file.set_band_description(index, name)
            if after is not None:
                after(file)

    return make


def mask(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] = lambda a: a, **profile: Any) -> Make:
    """A mask of the good scene that is 1 in its first 10 columns, changed."""

    def first_columns(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return change((np.arange(array.shape[2]) < 10) * np.ones_like(array[:1], np.uint8))

    return image(first_columns, names=(), **{"nodata": None} | profile)


def content(data: bytes, to: str = "bad.tif") -> Make:
    """A file with these bytes."""
    return lambda folder: (folder / to).write_bytes(data) and None


def cut(name: str, share: float, to: str | None = None) -> Make:
    """The beginning of a file."""

    def make(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / (to or name)).write_bytes(whole[: max(1, round(share * len(whole)))])

    return make


def damaged(name: str, place: float, data: bytes, to: str | None = None) -> Make:
    """A file with other bytes at a place between 0, its beginning, and 1."""

    def make(folder: Path) -> None:
        whole = bytearray((folder / name).read_bytes())
        at = int(place * len(whole))
        whole[at : at + len(data)] = data
        (folder / (to or name)).write_bytes(whole)

    return make


def nothing(folder: Path) -> None:
    """What is bad is only what is typed."""


def both(*makes: Make) -> Make:
    """One after the other."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


def append(name: str, text: bytes) -> Make:
    """More at the end of a file."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + text) and None


def sparse(side: int, **options: Any) -> Make:
    """A GeoTIFF of one band that declares side × side pixels, none of them written."""

    def make(folder: Path) -> None:
        size = {"width": side, "height": side, "count": 1, "dtype": "uint8"}
        place = {"crs": UTM, "transform": Affine(10, 0, ORIGIN[0], 0, -10, ORIGIN[1])}
        rasterio.open(
            folder / "bad.tif", "w", driver="GTiff", sparse_ok=True, tiled=True, **(size | place | options)
        ).close()

    return make


# A VRT, a TMS and an OGR VRT of a good name, whose pixels and features are elsewhere.
VRT = f"""<VRTDataset rasterXSize="72" rasterYSize="64"><SRS>EPSG:32633</SRS><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename>{ADDRESS}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>""".encode()
WMS = f"<GDAL_WMS><Service name='TMS'><ServerUrl>{ADDRESS}</ServerUrl></Service></GDAL_WMS>".encode()
OGR_VRT = b"""<OGRVRTDataSource><OGRVRTLayer name="labels"><SrcDataSource>/etc/hostname</SrcDataSource></OGRVRTLayer>
</OGRVRTDataSource>"""
AUX_XML = (
    b"<PAMDataset><SRS>EPSG:4326</SRS><PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>"
)


def jpeg_2000(folder: Path) -> None:
    """One band as JPEG 2000."""
    image(lambda a: a[:1].clip(0).astype(np.uint16), to="one.tif", nodata=None)(folder)
    rasterio.shutil.copy(folder / "one.tif", folder / "bad.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")


def sar_in(crs: str | int, *, placed: tuple[Any, Affine] | None = None, turns: int = 0) -> Make:
    """The SAR warped into another CRS; ``placed``: as if it lay there; its longitudes counted so many turns further."""

    def make(folder: Path) -> None:
        array, kept, _ = pixels(folder, "sar.tif")
        source, place = placed or (UTM, kept["transform"])
        west, south, east, north = transform_bounds(source, crs, *rasterio.transform.array_bounds(*SHAPE_HW, place))
        height, width = SHAPE_HW
        east += 360 if east < west else 0
        transform = Affine((east - west) / width, 0, west + 360 * turns, 0, (south - north) / height, north)
        moved = np.full_like(array, np.nan)
        rasterio.warp.reproject(
            array, moved, src_transform=place, src_crs=source, dst_transform=transform, dst_crs=crs,
            src_nodata=np.nan, dst_nodata=np.nan,
        )  # fmt: skip
        image(lambda a: moved, of="sar.tif", crs=crs, transform=transform, nodata=np.nan)(folder)

    return make


def across_the_antimeridian(crs: int, turns: int = 0) -> Make:
    """A scene on Fiji, the spectral image in UTM 1S and the SAR in another CRS."""

    def make(folder: Path) -> None:
        place = Affine(10, 0, 180_550 - 360, 0, -10, 8_118_000)  # 180° runs through it
        image(crs=32701, transform=place, to="far.tif")(folder)
        sar_in(crs, placed=(CRS.from_epsg(32701), place), turns=turns)(folder)

    return make


def place(**options: Any) -> Make:
    """An image with control points or RPCs instead of a transform."""
    return image(transform=Affine.identity(), **options)


def set_gcps(file: Any) -> None:
    """Four corners of the good scene."""
    corners = [(row, col, ORIGIN[0] + 10 * col, ORIGIN[1] - 10 * row) for row in (0, 64) for col in (0, 72)]
    file.gcps = [GroundControlPoint(*corner) for corner in corners], UTM


def envi_in_gbk(folder: Path) -> None:
    """An ENVI image whose header names bands in Chinese, and not as UTF-8."""
    image(driver="ENVI", to="bad.img")(folder)
    header = (folder / "bad.hdr").read_text()
    (folder / "bad.hdr").write_bytes(header.replace("B02", "蓝色").encode("gbk"))


def set_rpcs(file: Any) -> None:
    """Polynomials of no meaning."""
    ones = [1.0] + [0.0] * 19
    file.rpcs = RPC(0, 1, 45, 1, ones, ones, 0, 1, 15, 1, ones, ones, 0, 1, 0.0, 0.0)


# Labels


def labels(change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame], to: str = "bad.gpkg", **options: Any) -> Make:
    """The good polygons, changed, as a file of their own."""
    return lambda folder: change(gpd.read_file(folder / "labels.gpkg")).to_file(folder / to, **options)


SHAPEFILE = labels(lambda frame: frame, "bad.shp")


def other_index(folder: Path) -> None:
    """A Shapefile with the .shx of another one, which has as many shapes of other sizes."""
    SHAPEFILE(folder)
    labels(lambda frame: frame.assign(geometry=frame.buffer(1)), "other.shp")(folder)
    shutil.copy(folder / "other.shx", folder / "bad.shx")


def dbf_rows(change: int) -> Make:
    """A Shapefile whose .dbf has more or fewer rows than there are shapes; added ones come first."""

    def make(folder: Path) -> None:
        SHAPEFILE(folder)
        table = bytearray((folder / "bad.dbf").read_bytes())
        count, header, row = struct.unpack_from("<IHH", table, 4)
        first = table[header : header + row]
        table[header : header + max(0, -change) * row] = first * max(0, change)
        struct.pack_into("<I", table, 4, count + change)
        (folder / "bad.dbf").write_bytes(table)

    return make


def multipatch(kind: int, order: list[int]) -> Make:
    """The bounding boxes of the labels as parts of a MultiPatch: their corners, clockwise, in this order.

    ESRI Shapefile Technical Description (1998), p. 21: 0 is a triangle strip, 1 a fan, 2 an outer ring.
    """

    def make(folder: Path) -> None:
        SHAPEFILE(folder)
        records, index = b"", b""
        for number, (west, south, east, north) in enumerate(gpd.read_file(folder / "bad.shp").bounds.to_numpy(), 1):
            corners = [((west, south), (west, north), (east, north), (east, south))[i] for i in order]
            head = struct.pack("<i4d4i", 31, west, south, east, north, 1, len(order), 0, kind)
            record = head + np.array(corners, "<f8").tobytes() + bytes(8 * (2 + len(order)))
            index += struct.pack(">ii", 50 + len(records) // 2, len(record) // 2)
            records += struct.pack(">ii", number, len(record) // 2) + record
        whole = (folder / "bad.shp").read_bytes()
        for name, content in (("bad.shp", records), ("bad.shx", index)):
            length = struct.pack(">i", 50 + len(content) // 2)
            (folder / name).write_bytes(whole[:24] + length + whole[28:32] + b"\x1f\0\0\0" + whole[36:100] + content)

    return make


def written_freely(*files: tuple[str, str]) -> Make:
    """The labels in longitude and latitude in other formats, (name, driver), written where GDAL has all its drivers."""

    def make(folder: Path) -> None:
        program = "import sys, geopandas; a = geopandas.read_file('labels.gpkg').to_crs(4326)\n"
        program += "".join(f"a.to_file({name!r}, driver={driver!r})\n" for name, driver in files)
        free = {key: value for key, value in os.environ.items() if not key.startswith(("GDAL_", "CPL_", "OGR_"))}
        subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=folder, env=free, check=True)

    return make


def zipped(*names: str) -> Make:
    """A zip archive of files."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
            for name in names:
                archive.write(folder / name, name)

    return make


def zipped_folders(folder: Path) -> None:
    """A zip archive with an image in each of two folders."""
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        for name in ("one", "two"):
            archive.write(folder / "msi.tif", f"{name}/msi.tif")


def pages(**change: Any) -> Make:
    """A TIFF of two pages, the second with another profile."""

    def make(folder: Path) -> None:
        image(lambda a: a[:1].clip(0), nodata=None)(folder)
        image(lambda a: a[:1].clip(0, 255), nodata=None, APPEND_SUBDATASET="YES", **change)(folder)

    return make


def two_fields(folder: Path) -> None:
    """A Shapefile with two fields of one name."""
    labels(lambda frame: frame.assign(klass="other"), "bad.shp")(folder)
    table = (folder / "bad.dbf").read_bytes()
    (folder / "bad.dbf").write_bytes(table.replace(b"klass", b"class", 1))


def without(name: str) -> Make:
    """Take a file away."""
    return lambda folder: (folder / name).unlink()


def geojson(text: str) -> Make:
    """A GeoJSON file with this text."""
    return content(text.encode(), "bad.geojson")


def features(*rows: tuple[Any, dict[str, Any] | None]) -> str:
    """GeoJSON of classes and geometries in pixels of the good scene."""
    collection = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
        "features": [{"type": "Feature", "properties": {"class": name}, "geometry": shape} for name, shape in rows],
    }
    return json.dumps(collection)


def square(col: float, row: float, side: float = 6) -> dict[str, Any]:
    """A polygon of pixels of the good scene."""
    return shape(shapely.box(col, row, col + side, row + side))


def shape(geometry: shapely.Geometry) -> dict[str, Any]:
    """A geometry in columns and rows of the good scene, as GeoJSON in metres."""
    metres = shapely.transform(geometry, lambda xy: np.array(ORIGIN) + xy * [10, -10])
    return json.loads(shapely.to_geojson(metres))


SOME_BAD = features(
    *[(("a", "b")[i % 2], square(2 + 11 * i, 30)) for i in range(6)],
    ("a", None), (None, square(10, 10)), ("a", shape(shapely.Polygon([(1, 50), (7, 56), (7, 50), (1, 56)]))),
    ("b", square(5.6, 5.6, 0.2)), ("b", square(69, 40)), ("a", square(900, 40)),
)  # fmt: skip


def ring(col: float, row: float) -> shapely.Polygon:
    """A polygon with a hole and heights."""
    outer, inner = shapely.box(col, row, col + 9, row + 9), shapely.box(col + 3, row + 3, col + 6, row + 6)
    return shapely.force_3d(outer.difference(inner), 7.0)


def disputed(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The second polygon lies on the first, which is of another class."""
    other = int((frame["class"] != frame["class"][0]).idxmax())
    return frame.assign(geometry=frame.geometry.where(frame.index != other, frame.geometry[0]))


def chinese(folder: Path) -> None:
    """A Shapefile whose texts are in GBK, which nothing says."""
    labels(lambda f: f.assign(**{"class": ["水体", "森林"] * (len(f) // 2)}), "bad.shp", encoding="GBK")(folder)
    (folder / "bad.cpg").unlink()
    table = bytearray((folder / "bad.dbf").read_bytes())
    table[29] = 0  # the code page
    (folder / "bad.dbf").write_bytes(table)


def latin_1(folder: Path) -> None:
    """A Shapefile whose texts are in Latin-1, which nothing says."""
    labels(lambda f: f.assign(**{"class": ["Gewässer", "Forêt"] * (len(f) // 2)}), "bad.shp", encoding="ISO-8859-1")(
        folder
    )
    (folder / "bad.cpg").unlink()


def database(*statements: str) -> Make:
    """The labels after some statements of SQL."""

    def make(folder: Path) -> None:
        shutil.copy(folder / "labels.gpkg", folder / "bad.gpkg")
        with closing(sqlite3.connect(folder / "bad.gpkg")) as file:
            file.executescript(";".join(statements))

    return make


def copy(name: str, to: str) -> Make:
    """A good file under another name."""
    return lambda folder: shutil.copy(folder / name, folder / to) and None


def link(to: str, target: str) -> Make:
    """A symbolic link."""
    return lambda folder: (folder / to).symlink_to(target)


def pipe(name: str) -> Make:
    """A pipe that nobody writes to, in the place of a file."""

    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return make


# Checkpoints


def torch_file(folder: Path) -> None:
    """What torch.save writes: a zip with a pickle in it."""
    import torch

    torch.save({"a": torch.zeros(3)}, folder / "bad.safetensors")


def model(change: Callable[[Checkpoint], Any]) -> Make:
    """The good model, changed and saved as if nothing were wrong."""

    def make(folder: Path) -> None:
        checkpoint = load_checkpoint(folder / "model.safetensors")
        change(checkpoint)
        checkpoint.save(folder / "bad.safetensors")

    return make


def torch_pickle(pickle: bytes) -> Make:
    """A file as torch.save writes it, ``bad.pt``, with this pickle."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / "bad.pt", "w") as archive:
            archive.writestr("bad/data.pkl", pickle)

    return make
