"""Bad inputs, each made from a small good scene: python tests/data/make_bad.py FOLDER writes them all, to look at.

A case is a function that spoils a folder in which ``msi.tif``, ``sar.tif`` and ``labels.gpkg`` are good. What each gets
is in test_bad_inputs.py.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import shutil
import sqlite3
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
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
from landcover_bdgf.mapping.partial_map import KIND, Plan
from landcover_bdgf.model.checkpoint import Checkpoint, load_checkpoint
from landcover_bdgf.model.recipe import load_recipe
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.storage.records import record_bytes
from landcover_bdgf.storage.tensors import read_tensors, write_tensors
from landcover_bdgf.training.pretraining import pretrain
from landcover_bdgf.training.training import train

SHAPE_HW = (64, 72)
UTM, ORIGIN = CRS.from_epsg(32633), (399_960.0, 5_800_020.0)  # of the good scene
ELSEWHERE = "/etc/hostname"  # what no image may make us read
ADDRESS = "http://127.0.0.1:9/secret.tif"  # nobody answers there

Make = Callable[[Path], None]


def good_scene(folder: Path) -> None:
    """What is spoiled: 64 × 72 pixels, ten bands as int16, SAR in dB, six classes; samples; a model of few steps."""
    files = write_scene(simulate(SHAPE_HW, seed=3), folder, seed=3)
    files.sar.rename(folder / "sar.tif")
    stack = align(files.spectral, folder / "sar.tif")
    samples = sample(stack, files.labels, field="class")
    quick = (
        "diffusion.width=0.0625",
        "diffusion.steps=2",
        "diffusion.batch=4",
        "training.steps=2",
        "training.batch=16",
    )
    recipe = load_recipe("laptop", quick)
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


def content(data: bytes | Callable[[Path], bytes], to: str = "bad.tif") -> Make:
    """A file with these bytes."""

    def make(folder: Path) -> None:
        (folder / to).write_bytes(data if isinstance(data, bytes) else data(folder))

    return make


def first(name: str, share: float) -> Callable[[Path], bytes]:
    """The beginning of a good file."""

    def cut(folder: Path) -> bytes:
        whole = (folder / name).read_bytes()
        return whole[: max(1, round(share * len(whole)))]

    return cut


def nothing(folder: Path) -> None:
    """What is bad is only what is typed."""


def both(*makes: Make) -> Make:
    """One after the other."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


# TIFF by hand, where GDAL would not write what a hostile hand does


def tiff(
    width: int,
    height: int,
    *,
    bands: int = 1,
    tile: int | None = None,
    blocks: str = "one",
    to: str = "bad.tif",
    extra: list[tuple[int, int, list[Any]]] | None = None,
) -> Make:
    """A TIFF that declares so much; of its ``blocks`` "one" stands for all, there are "none", or all lie "beyond"."""

    def make(folder: Path) -> None:
        side = tile or 0
        block_rows = side or height
        number = -(-width // side) * -(-height // side) * bands if side else bands
        packed = zlib.compress(bytes(min(side * side or width * height, 1 << 24)), 9)
        tags = [
            (256, 4, [width]),
            (257, 4, [height]),
            (258, 3, [8] * bands),
            (259, 3, [8]),
            (262, 3, [1]),
            (277, 3, [bands]),
            (284, 3, [2]),
        ]
        offsets, counts = (324, 325) if side else (273, 279)
        tags += [(322, 4, [side]), (323, 4, [side])] if side else [(278, 4, [block_rows])]
        place = {"one": 8, "none": 0, "beyond": 1 << 30}[blocks]
        tags += [(offsets, 4, [place] * number), (counts, 4, [len(packed) if blocks != "none" else 0] * number)]
        tags += [(33550, 12, [10.0, 10.0, 0.0]), (33922, 12, [0.0, 0.0, 0.0, *ORIGIN, 0.0])]
        tags += extra or [(34735, 3, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633])]
        (folder / to).write_bytes(_tiff_bytes(sorted(tags), packed))

    return make


def _tiff_bytes(tags: list[tuple[int, int, list[Any]]], packed: bytes) -> bytes:
    size, code = {1: 1, 3: 2, 4: 4, 12: 8}, {1: "B", 3: "H", 4: "I", 12: "d"}
    directory = 8 + len(packed) + len(packed) % 2
    place = directory + 2 + 12 * len(tags) + 4
    entries, rest = b"", b""
    for tag, kind, values in tags:
        data = struct.pack(f"<{len(values)}{code[kind]}", *values)
        assert len(data) == size[kind] * len(values)
        entries += struct.pack("<HHI", tag, kind, len(values))
        entries += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", place + len(rest))
        rest += b"" if len(data) <= 4 else data + b"\0" * (len(data) % 2)
    head = b"II*\0" + struct.pack("<I", directory) + packed + b"\0" * (len(packed) % 2)
    return head + struct.pack("<H", len(tags)) + entries + b"\0" * 4 + rest


# Formats that name other files


def vrt(source: str, *, band: str = "", to: str = "bad.tif") -> Make:
    """A VRT of a good image's shape whose pixels are elsewhere."""
    height, width = SHAPE_HW
    inside = f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    text = (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>{ORIGIN[0]}, 10, 0, {ORIGIN[1]}, 0, -10</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1">{band or inside}</VRTRasterBand></VRTDataset>'
    )
    return content(text.encode(), to)


PIXEL_FUNCTION = (
    "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    "<PixelFunctionCode><![CDATA[open('pwned', 'w')]]></PixelFunctionCode>"
)
MRF = b"<MRF_META><Raster><Size x='72' y='64' c='1'/><DataFile>pwned.dat</DataFile></Raster></MRF_META>"
WMS = f"<GDAL_WMS><Service name='TMS'><ServerUrl>{ADDRESS}</ServerUrl></Service></GDAL_WMS>".encode()
LAYER = f"<OGRVRTLayer name='labels'><SrcDataSource>{ELSEWHERE}</SrcDataSource></OGRVRTLayer>"
OGR_VRT = f"<OGRVRTDataSource>{LAYER}</OGRVRTDataSource>".encode()


AUX_XML = (
    b"<PAMDataset><SRS>EPSG:4326</SRS><PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>"
)


def masked_envi(folder: Path) -> None:
    """An ENVI image with a mask beside it that hides all."""
    image(to="bad.img", driver="ENVI", nodata=None)(folder)
    image(lambda a: np.zeros((1, *a.shape[1:]), np.uint8), to="bad.img.msk", names=(), nodata=None)(folder)
    with rasterio.open(folder / "bad.img.msk", "r+") as mask:
        mask.update_tags(INTERNAL_MASK_FLAGS_1="2", INTERNAL_MASK_FLAGS_ALL="2")


def masked_tif(file: Any) -> None:
    """What is northern is cloud, says a mask beside the image."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        file.write_mask(np.arange(file.height)[:, None].repeat(file.width, axis=1) > 20)


def jpeg_2000(share: float) -> Make:
    """A JPEG 2000 file, or the beginning of one."""

    def make(folder: Path) -> None:
        image(lambda a: a[:1].clip(0).astype(np.uint16), to="one.tif", nodata=None)(folder)
        rasterio.shutil.copy(
            folder / "one.tif", folder / "bad.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES"
        )
        (folder / "bad.jp2").write_bytes(first("bad.jp2", share)(folder))

    return make


def jpeg_2000_with(change: Callable[[bytes], bytes]) -> Make:
    """A JPEG 2000 file whose bytes are changed."""

    def make(folder: Path) -> None:
        jpeg_2000(1)(folder)
        (folder / "bad.jp2").write_bytes(change((folder / "bad.jp2").read_bytes()))

    return make


def codestream(whole: bytes) -> bytes:
    """What is in the boxes of a JPEG 2000 file, without them."""
    return whole[whole.index(b"\xff\x4f\xff\x51") :]


def long_box(whole: bytes) -> bytes:
    """The box of the codestream with its length in 64 bits."""
    at = whole.index(b"jp2c") - 4
    return whole[:at] + struct.pack(">I4sQ", 1, b"jp2c", len(whole) - at + 8) + whole[at + 8 :]


def flipped(folder: Path) -> None:
    """A compressed image with some bytes in the middle changed."""
    image(compress="deflate")(folder)
    whole = bytearray((folder / "bad.tif").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = b"\xff" * 2000
    (folder / "bad.tif").write_bytes(whole)


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


def labels_in(crs: str) -> Make:
    """The labels in another CRS."""
    return labels(lambda frame: frame.to_crs(crs))


def nodata_outside(folder: Path) -> None:
    """An image of 8 bits whose nodata is -9999, as some writers leave it."""
    image(lambda a: a.clip(1, 255).astype(np.uint8), nodata=None)(folder)
    whole = (folder / "bad.tif").read_bytes()
    assert b"-9999" not in whole
    with rasterio.open(folder / "bad.tif", "r+") as file:
        file.update_tags(ns="", GDAL_NODATA="-9999")


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


def set_gcps_on_a_line(file: Any) -> None:
    """Which place nothing."""
    file.gcps = [GroundControlPoint(0, i, ORIGIN[0] + 10 * i, ORIGIN[1]) for i in range(4)], UTM


def set_many_gcps(file: Any) -> None:
    """More than a spline takes."""
    places = [(row, col) for row in range(64) for col in range(72)]
    file.gcps = [GroundControlPoint(r, c, ORIGIN[0] + 10 * c, ORIGIN[1] - 10 * r) for r, c in places], UTM


def set_rpcs(file: Any) -> None:
    """Polynomials of no meaning."""
    ones = [1.0] + [0.0] * 19
    file.rpcs = RPC(0, 1, 45, 1, ones, ones, 0, 1, 15, 1, ones, ones, 0, 1, 0.0, 0.0)


# Labels


def labels(change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame | None], to: str = "bad.gpkg", **options: Any) -> Make:
    """The good polygons, changed, as a file of their own."""

    def make(folder: Path) -> None:
        frame = gpd.read_file(folder / "labels.gpkg")
        changed = change(frame)
        (frame if changed is None else changed).to_file(folder / to, **options)

    return make


def shapefile(spoil: Make = lambda folder: None) -> Make:
    """The good polygons as a Shapefile, spoiled."""
    return both(labels(lambda f: f, "bad.shp"), spoil)


def without(suffix: str) -> Make:
    """Take one of a Shapefile's files away."""
    return lambda folder: (folder / f"bad{suffix}").unlink()


def cut(name: str, share: float) -> Make:
    """Keep only the beginning of a file."""
    return lambda folder: (folder / name).write_bytes(first(name, share)(folder)) and None


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


def noise(vertices: int) -> dict[str, Any]:
    """A polygon whose sides cross by the million."""
    return shape(shapely.Polygon(np.random.default_rng(0).uniform(0, 64, (vertices, 2)).round(2)))


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


def hostile_names(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Classes named like markup, formulas, paths, escapes and a book."""
    names = [
        "<script>alert(1)</script>",
        "=HYPERLINK(0)",
        "../../x",
        "\x1b[31mred\x1b[0m",
        "long " * 2000,
        "\u202egnorw",
    ]
    return frame.assign(**{"class": [names[i] for i in frame["class"].factorize()[0]]})


def chinese(folder: Path) -> None:
    """A Shapefile whose texts are in GBK, which nothing says."""
    labels(lambda f: f.assign(**{"class": ["水体", "森林"] * (len(f) // 2)}), "bad.shp", encoding="GBK")(folder)
    (folder / "bad.cpg").unlink()
    table = bytearray((folder / "bad.dbf").read_bytes())
    table[29] = 0  # the code page
    (folder / "bad.dbf").write_bytes(table)


def shared_records(folder: Path) -> None:
    """A Shapefile of 6,000 records that are one polygon of 20,000 vertices."""
    shapefile()(folder)
    whole = (folder / "bad.shp").read_bytes()
    xy = np.array(
        shapely.from_geojson(json.dumps(shape(shapely.Point(30, 30).buffer(9, quad_segs=5000)))).exterior.coords
    )
    box = struct.pack("<4d", *xy.min(axis=0), *xy.max(axis=0))
    record = struct.pack("<i", 5) + box + struct.pack("<3i", 1, len(xy), 0) + xy.tobytes()
    words, number = len(record) // 2, 6000
    length = struct.pack(">i", (108 + len(record)) // 2)
    (folder / "bad.shp").write_bytes(whole[:24] + length + whole[28:100] + struct.pack(">2i", 1, words) + record)
    length = struct.pack(">i", 50 + 4 * number)
    (folder / "bad.shx").write_bytes(whole[:24] + length + whole[28:100] + struct.pack(">2i", 50, words) * number)
    table = (folder / "bad.dbf").read_bytes()
    head, width = struct.unpack("<HH", table[8:12])
    row = table[head : head + width]
    (folder / "bad.dbf").write_bytes(table[:4] + struct.pack("<I", number) + table[8:head] + number * row)


def two_headers(folder: Path) -> None:
    """An ENVI image with two headers that differ."""
    image(driver="ENVI", to="bad.img")(folder)
    (folder / "bad.img.hdr").write_text((folder / "bad.hdr").read_text() + "bands = 9\n")


def database(*statements: str, of: str = "labels.gpkg") -> Make:
    """A good GeoPackage after some statements of SQL."""

    def make(folder: Path) -> None:
        shutil.copy(folder / of, folder / "bad.gpkg")
        with closing(sqlite3.connect(folder / "bad.gpkg")) as file:
            file.executescript(";".join(statements))

    return make


def arcs(points: int) -> Make:
    """A GeoPackage whose first feature is a curve of so many points."""

    def make(folder: Path) -> None:
        copy("labels.gpkg", "bad.gpkg")(folder)
        xy = np.array(ORIGIN) + [300, -300] * np.random.default_rng(0).random((points, 2))
        curve = b"\1" + struct.pack("<2I", 8, points) + xy.astype("<f8").tobytes()
        blob = b"GP\0\1" + struct.pack("<i", 32633) + b"\1" + struct.pack("<2I", 10, 1) + curve
        with closing(sqlite3.connect(folder / "bad.gpkg")) as file:
            for (trigger,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                file.execute(f"DROP TRIGGER {trigger}")
            file.execute("UPDATE labels SET geom = ? WHERE fid = 1", [blob])
            file.commit()

    return make


def compressed_envi(folder: Path) -> None:
    """An ENVI image of 160 MB in 29 bytes; GDAL would write down what it found in them."""
    image(driver="ENVI", to="bad.img")(folder)
    header = (folder / "bad.hdr").read_text() + "File  Compression= 1\n"
    for name, value in (("samples", 40_000), ("lines", 1), ("bands", 4000)):
        header = re.sub(rf"(?m)^{name}\s*=.*$", f"{name} = {value}", header)
    (folder / "bad.hdr").write_text(re.sub(r"(?s)band names = \{.*?\}", "", header))
    (folder / "bad.img").write_bytes(gzip.compress(bytes(1000)))


def zipped(folder: Path) -> bytes:
    """A ZIP of labels after the first bytes of a GeoPackage."""
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        archive.write(folder / "labels.gpkg")
    return b"SQLite format 3\0".ljust(100, b"\0") + (folder / "in.zip").read_bytes()


def view(table: str, query: str, **options: str) -> Make:
    """A table of a GeoPackage that a query takes the place of; the query reads the table as ``real``."""
    # What SQLite would change in queries elsewhere is left as it is.
    renamed = f"PRAGMA legacy_alter_table = ON; ALTER TABLE {table} RENAME TO real"
    return database(renamed, f"CREATE VIEW {table} AS {query}", **options)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


def copy(name: str, to: str) -> Make:
    """A good file under another name."""
    return lambda folder: shutil.copy(folder / name, folder / to) and None


def folder(name: str) -> Make:
    """An empty folder."""
    return lambda parent: (parent / name).mkdir()


def link(to: str, target: str) -> Make:
    """A symbolic link."""
    return lambda folder: (folder / to).symlink_to(target)


def fifo(folder: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(folder / "bad.tif")


def pipe(name: str) -> Make:
    """A pipe that nobody writes to, in the place of a file."""

    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return make


# Checkpoints

PICKLE = pickle.dumps(Path)  # any will do: it must not be opened


def torch_file(folder: Path) -> None:
    """What torch.save writes: a zip with a pickle in it."""
    import torch

    torch.save({"a": torch.zeros(3)}, folder / "bad.safetensors")


def flip(name: str, place: int) -> Make:
    """A good checkpoint with one bit flipped."""

    def make(folder: Path) -> None:
        whole = bytearray((folder / name).read_bytes())
        whole[place] ^= 1
        (folder / "bad.safetensors").write_bytes(whole)

    return make


def header(text: str, data: bytes = b"") -> Make:
    """A safetensors file with this header."""
    return content(struct.pack("<Q", len(text)) + text.encode() + data, "bad.safetensors")


def model(change: Callable[[Checkpoint], Any]) -> Make:
    """The good model, changed and saved as if nothing were wrong."""

    def make(folder: Path) -> None:
        checkpoint = load_checkpoint(folder / "model.safetensors")
        change(checkpoint)
        checkpoint.save(folder / "bad.safetensors")

    return make


def other_shapes(checkpoint: Checkpoint) -> None:
    """The first weights of the fusion network, twice as many."""
    name = "fusion." + next(iter(checkpoint.part("fusion.")))
    checkpoint.weights[name] = np.concatenate([checkpoint.weights[name]] * 2)


def described(change: Callable[[dict[str, Any]], Any]) -> Make:
    """The good model with another description, its checksum right."""

    def make(folder: Path) -> None:
        tensors, text = read_tensors(folder / "model.safetensors")
        description = json.loads(text)
        change(description)
        without = description.pop("without", ())
        tensors = {key: value for key, value in tensors.items() if key not in without}
        write_tensors(folder / "bad.safetensors", tensors, json.dumps(description))

    return make


def signed(change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> Make:
    """The good model with what ``change`` makes of its description and its arrays, its checksum right."""

    def make(folder: Path) -> None:
        tensors, text = read_tensors(folder / "model.safetensors")
        description = change(json.loads(text), tensors)
        write_tensors(folder / "bad.safetensors", tensors, json.dumps(description))

    return make


def short(name: str) -> Make:
    """The good model with only the first value of an array."""
    return signed(lambda description, arrays: arrays.update({name: arrays[name][:1].copy()}) or description)


# Partial maps and records


def part(strip: bytes | None = None, **values: Any) -> Make:
    """A finished partial map of 2 × 2 pixels, with one window."""
    plan = {
        "kind": KIND, "identity": {}, "shard": [1, 1], "windows": [[0, 0, 2, 2]],
        "grid": {"crs": UTM.to_wkt(), "transform": [10, 0, 0, 0, -10, 0], "shape_hw": [2, 2]},
        "legend": [{"code": 1, "name": "a", "color": [1, 2, 3], "value": "a"}], "layers": [], "record": {},
    } | values  # fmt: skip

    def make(folder: Path) -> None:
        partial = folder / "bad.partial"
        partial.mkdir()
        with suppress(Exception):  # of a plan that is refused anyway
            plan["sha256"] = Plan.model_validate_json(json.dumps(plan)).checksum()
        (partial / "plan.json").write_text(json.dumps(plan, separators=(",", ":")))
        np.savez(partial / "0_0.npz", codes=np.ones((2, 2), np.uint16), layers=np.ones((1, 2, 2), np.uint8))
        if strip is not None:
            (partial / "0_0.npz").write_bytes(strip)

    return make


def folder_of(name: str, make: Make) -> Make:
    """What is made, in a folder of its own."""

    def inside(folder: Path) -> None:
        (folder / name).mkdir()
        make(folder / name)

    return inside


def record(**values: Any) -> Make:
    """A record beside the good image, its own checksum right."""
    return content(record_bytes(values), "msi.tif.json")


def class_map(**values: Any) -> Make:
    """A map of two classes as bad.tif, with a record beside it."""

    def make(folder: Path) -> None:
        image(lambda a: np.where(np.arange(72) < 36, 1, 2).astype(np.uint8) + 0 * a[:1].astype(np.uint8), nodata=0)(
            folder
        )
        (folder / "bad.tif.json").write_text(json.dumps({"legend": classes(2)} | values))

    return make


def classes(number: int) -> list[dict[str, Any]]:
    """A legend as records hold it, of classes of the good labels first."""
    names = ["crops", "water"]
    return [
        {"code": i, "name": name, "color": [i % 256, i // 256, 7], "value": name}
        for i, name in enumerate([*names, *(f"class {i}" for i in range(3, number + 1))], 1)
    ]


def main(folder: Path) -> None:
    """Write all cases, each in a folder of its own."""
    sys.path.insert(0, str(Path(__file__).parent))
    from test_bad_inputs import CASES

    good = folder / "good"
    good.mkdir(parents=True)
    good_scene(good)
    for case in CASES:
        own = folder / case.name.replace("/", "-").replace(" ", "_")
        shutil.copytree(good, own)
        case.make(own)
    print(f"{len(CASES)} bad inputs in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
