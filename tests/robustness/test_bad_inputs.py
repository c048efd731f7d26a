"""What bad input gets: an exit code, one line, nothing left under the output's name; within 5 s and 1 GB."""

from __future__ import annotations

import contextlib
import ctypes
import fnmatch
import os
import random
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import make_bad as bad
import numpy as np
import pytest
import shapely
from affine import Affine
from conftest import Bdgf, Tally
from safetensors.numpy import save_file

from landcover_bdgf.model.networks.scan import kernel

TRIALS = int(os.environ.get("BDGF_TRIALS", "1"))  # of damaging each file; make trust asks for more
SECONDS, BYTES = 5, 10**9  # that one bad input may take; of the processor, and twelve times as long on a busy machine

CHECK = "check bad.tif sar.tif"
RADAR = "check msi.tif bad.tif"
MASKED = "check msi.tif sar.tif --mask bad.tif"
LAYERED = "check msi.tif sar.tif --extra bad.tif"
WITHIN = "check msi.tif sar.tif --aoi bad.gpkg"
X, Y = bad.ORIGIN
MAP = "map msi.tif sar.tif --model bad.safetensors -o out.tif"
MAP_GOOD = "map msi.tif sar.tif --model model.safetensors -o out.tif"
PRETRAIN = "pretrain msi.tif sar.tif -o out.safetensors"
PRESTO = "--set features.source=presto"
MAP_TO, PRETRAIN_TO = MAP_GOOD.removesuffix(" out.tif"), PRETRAIN.removesuffix(" out.safetensors")
MAP_ALL_TO = "map msi.tif sar.tif --labels labels.gpkg --field class --overwrite -o"
SAMPLE_TO = "sample msi.tif sar.tif --labels labels.gpkg --field class -o"
TRAIN_TO = "train msi.tif sar.tif --samples samples.gpkg --denoiser denoiser.safetensors -o"
LABELLED = "check msi.tif sar.tif --field class --labels"
BANDS = [f"S2A_MSIL2A_20200604T102031_T33UUU_{band}.tif" for band in ("B02", "B03", "B04", "B05", "B06", "B07", "B08")]
LONG = 256 * "n"  # no file system takes more than 255
CAFE = "caf\udce9"  # a name in Latin-1, as Python has it; and as it is shown
SHOWN = "caf\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Case:
    """A bad input: how it is made, what is typed, and what comes out."""

    name: str
    make: bad.Make
    command: str
    code: int
    message: str


# fmt: off
CASES = [
    # Raster geometry
    Case("no CRS", bad.image(crs=None), CHECK, 3, "bad.tif: has no CRS. Give it one with gdal_edit.py -a_srs, or pass --hsi-crs or --sar-crs EPSG:…."),
    Case("no CRS in the SAR", bad.image(of="sar.tif", crs=None), RADAR, 3, "bad.tif: has no CRS. Give it one with gdal_edit.py -a_srs, or pass --hsi-crs or --sar-crs EPSG:…."),
    Case("no CRS but beside it", bad.both(bad.image(crs=None), bad.content(b"<PAMDataset><SRS>EPSG:32633</SRS></PAMDataset>", "bad.tif.aux.xml")), CHECK, 0, "bdgf: bad.tif: has no CRS, that of bad.tif.aux.xml is used, EPSG:32633."),
    Case("no CRS but a wrong one beside it", bad.both(bad.image(crs=None), bad.content(bad.AUX_XML, "bad.tif.aux.xml")), CHECK, 3, "bad.tif: has x from 399960 to 400680 and y from 5.79938e+06 to 5.80002e+06, which are not degrees, but its CRS is EPSG:4326. Give it the right CRS with gdal_edit.py -a_srs, or pass --hsi-crs or --sar-crs EPSG:…."),
    Case("no CRS but a text beside it", bad.both(bad.image(crs=None), bad.content(b"UTM 33", "bad.prj")), CHECK, 3, "bad.tif: has no CRS in the file; bad.prj next to it tells none. Give it one with gdal_edit.py -a_srs, or pass --hsi-crs or --sar-crs EPSG:…."),
    Case("a CRS given", bad.image(crs=None), f"{CHECK} --hsi-crs EPSG:32633", 0, "grid: 72 × 64 px*"),
    Case("another CRS given", bad.image(), f"{CHECK} --hsi-crs EPSG:32632", 3, "sar.tif: does not overlap bad.tif: one covers 7.5315…7.5423° E, 52.3356…52.3415° N, the other 13.5311…13.5418° E, 52.3354…52.3413° N (WGS84), 408 km apart. Use images of the same area, or correct a wrong CRS with --hsi-crs or --sar-crs."),
    Case("an unknown CRS given", bad.image(), f"{CHECK} --hsi-crs EPSG:1", 2, "--hsi-crs EPSG:1: is not a known CRS. Expected a code such as EPSG:32633."),
    Case("identity transform", bad.place(), CHECK, 3, "bad.tif: has no position on the ground. Georeference it first."),
    Case("a world file", bad.both(bad.place(), bad.content(b"10 0 0 -10 399965 5800015", "bad.tfw")), CHECK, 3, "bad.tif: has no position on the ground in the file; bad.tfw next to it is not read. Georeference it first: gdal_translate bad.tif bad_placed.tif."),
    Case("control points", bad.place(crs=None, after=bad.set_gcps), CHECK, 3, "bad.tif: has only 4 ground-control points for its position, like Sentinel-1 GRD products. Terrain-correct it first, for example with SNAP; --warp-gcps georeferences it by these points alone, with errors of up to hundreds of metres on slopes."),
    Case("control points, warped", bad.place(crs=None, after=bad.set_gcps, of="sar.tif"), f"{RADAR} --warp-gcps", 0, "bdgf: warning: bad.tif: is georeferenced by its 4 ground-control points without terrain correction, with errors of up to hundreds of metres on slopes. Check the reported shift and compare both images."),
    Case("RPCs", bad.place(crs=None, after=bad.set_rpcs), CHECK, 3, "bad.tif: has only RPCs for its position. Orthorectify it first with gdalwarp -rpc and an elevation model."),
    Case("rotated", bad.image(transform=Affine(8, 6, X, 6, -8, Y)), CHECK, 3, "bad.tif: is rotated or sheared. Make it north-up first with gdalwarp."),
    Case("sheared", bad.image(transform=Affine(10, 1, X, 0, -10, Y)), CHECK, 3, "bad.tif: is rotated or sheared. Make it north-up first with gdalwarp."),
    Case("mirrored", bad.image(transform=Affine(-10, 0, X, 0, -10, Y)), CHECK, 3, "bad.tif: is mirrored, its columns run west. Make it north-up with gdalwarp."),
    Case("south-up", bad.image(lambda a: a[:, ::-1], transform=Affine(10, 0, X, 0, 10, Y - 640)), CHECK, 0, "grid: 72 × 64 px*"),
    Case("NaN pixel size", bad.image(transform=Affine(float("nan"), 0, X, 0, -10, Y)), CHECK, 3, "bad.tif: has an invalid pixel size of nan × -10.0. Georeference it again."),
    Case("no pixel size", bad.image(transform=Affine(10, 0, X, 0, 0, Y)), CHECK, 3, "bad.tif: has an invalid pixel size of 10.0 × 0.0. Georeference it again."),
    Case("no overlap", bad.image(of="sar.tif", transform=Affine(10, 0, X + 1e5, 0, -10, Y)), RADAR, 3, "bad.tif: does not overlap msi.tif: one covers 13.5315…13.5423° E, 52.3356…52.3415° N, the other 14.9994…15.0100° E, 52.3447…52.3505° N (WGS84), 99.3 km apart. Use images of the same area, or correct a wrong CRS with --hsi-crs or --sar-crs."),
    Case("a sliver of overlap", bad.image(of="sar.tif", transform=Affine(10, 0, X + 716, 0, -10, Y)), RADAR, 3, "bad.tif: covers only 0.56% of msi.tif: one covers 13.5315…13.5423° E, 52.3356…52.3415° N, the other 13.5420…13.5528° E, 52.3357…52.3416° N (WGS84). Use images of the same area."),
    Case("resolutions 60 apart", bad.image(of="sar.tif", transform=Affine(600, 0, X - 9e3, 0, -600, Y + 9e3)), RADAR, 3, "bad.tif: pixel sizes differ by a factor of 60: 72 × 64 px of 600 m, EPSG:32633 and 72 × 64 px of 10 m, EPSG:32633. Resample one of the images first, or accept the difference with --force."),
    Case("60 apart by force", bad.image(of="sar.tif", transform=Affine(600, 0, X - 9e3, 0, -600, Y + 9e3)), f"{RADAR} --force", 0, "SAR: 2 bands of bad.tif*"),
    Case("a local CRS", bad.image(of="sar.tif", crs='LOCAL_CS["site",UNIT["metre",1]]'), RADAR, 3, "bad.tif: no transformation is known from site to EPSG:32633. Reproject one of the images, or give the CRS that is meant."),
    Case("degrees against metres", bad.sar_in(4326), RADAR, 0, "valid in both sensors*"),
    Case("a datum without its grid", bad.sar_in("EPSG:31468"), RADAR, 0, "bdgf: warning: bad.tif: transformed from EPSG:31468 to EPSG:32633 with an accuracy of 2 m; install PROJ grid de_adv_BETA2007.tif for better (projsync --file fetches it)"),
    Case("labels of another datum", bad.labels(lambda f: f.to_crs("EPSG:31468")), f"{LABELLED} bad.gpkg", 0, "bdgf: warning: bad.gpkg: transformed from EPSG:31468 to EPSG:32633 with an accuracy of 2 m; install PROJ grid de_adv_BETA2007.tif for better (projsync --file fetches it)"),
    Case("across the antimeridian", bad.across_the_antimeridian(32760), "check far.tif bad.tif", 0, "valid in both sensors: 94.8 %"),
    Case("to the antimeridian and on", bad.across_the_antimeridian(4326), "check far.tif bad.tif", 0, "valid in both sensors: 94.8 %"),
    Case("from beyond the antimeridian", bad.across_the_antimeridian(4326, turns=-1), "check far.tif bad.tif", 0, "valid in both sensors: 94.8 %"),
    Case("one pixel", bad.image(lambda a: a[:, :1, :1]), CHECK, 3, "sar.tif: does not overlap bad.tif: one covers 13.5315…13.5317° E, 52.3413…52.3413° N, the other 13.5311…13.5418° E, 52.3354…52.3413° N (WGS84), 0 km apart. Use images of the same area, or correct a wrong CRS with --hsi-crs or --sar-crs."),
    Case("smaller than a window", bad.image(lambda a: a[:, :5, :5]), CHECK, 0, "grid: 5 × 5 px*"),
    Case("two headers", bad.both(bad.image(driver="ENVI", to="bad.img"), bad.copy("bad.hdr", "bad.img.hdr"), bad.append("bad.hdr", b"bands = 9\n")), "check bad.img sar.tif", 3, "bad.img: has headers that differ, bad.img.hdr and bad.hdr. Remove those that do not belong to it."),
    Case("names in GBK", bad.envi_in_gbk, "check bad.img sar.tif", 3, "bad.img: has band names in another encoding than UTF-8. Save its header as UTF-8, or convert it with gdal_translate."),
    # Masks and areas of interest
    Case("an inverted mask", bad.mask(lambda a: a | 1), MASKED, 3, "bad.tif: masks all of the scene, is it inverted? Name the values to mask, as in bad.tif:1."),
    Case("a mask of another scene", bad.mask(transform=Affine(10, 0, X + 1e5, 0, -10, Y)), MASKED, 3, "bad.tif: does not overlap msi.tif: the mask covers 14.9994…15.0100° E, 52.3447…52.3505° N, the image 13.5315…13.5423° E, 52.3356…52.3415° N (WGS84). Use a mask of this scene, or correct its CRS."),
    Case("a mask without its values", bad.mask(), f"{MASKED}:7-9", 0, "bdgf: warning: bad.tif: holds none of the values to mask in the scene, so nothing is masked."),
    Case("a mask of a part", bad.mask(lambda a: a[:, :32]), MASKED, 0, "bdgf: warning: bad.tif: has no data in 50 % of the scene; nothing is masked there."),
    Case("no classification", bad.mask(lambda a: 37 * a, to="scl.tif"), "check msi.tif sar.tif --mask scl.tif", 3, "scl.tif: is a scene classification by its name, but holds 37, which is no class of it. Name the values to mask, as in scl.tif:1."),
    Case("a probability of clouds", bad.mask(lambda a: a * np.float32(0.3)), MASKED, 3, "bad.tif: holds fractions such as 0.3, which cannot be classes. Name the values to mask, as in bad.tif:1."),
    Case("bands as a mask", bad.image(), MASKED, 3, "bad.tif: has 10 bands, and none is described as SCL, so it is not known which is the mask. Save the mask as a raster of one band."),
    Case("a mask without CRS", bad.mask(crs=None), MASKED, 3, "bad.tif: has no CRS. Give it one with gdal_edit.py -a_srs."),
    Case("a probability in percent", bad.mask(lambda a: np.arange(a.size, dtype="uint8").reshape(a.shape) % 101), MASKED, 3, "bad.tif: holds 100 values besides 0, as probabilities or flags do, so it is not known what to mask. Name the values to mask, as in bad.tif:60-100."),
    Case("a mask of the clear pixels", bad.mask(lambda a: 1 - a), MASKED, 0, "bdgf: warning: bad.tif: masks 86 % of the scene, all values but 0. If these are the pixels to keep, name the others, as in bad.tif:0."),
    Case("clouds without data", bad.mask(lambda a: a * 255, nodata=255), MASKED, 0, "bdgf: warning: bad.tif: has no data in 14 % of the scene; nothing is masked there. To mask its nodata value too, name it: bad.tif:255."),
    Case("polygons as a mask", bad.copy("labels.gpkg", "bad.gpkg"), "check msi.tif sar.tif --mask bad.gpkg", 3, "bad.gpkg: is a file of polygons, but a mask is a raster. Burn them into one, for example with gdal_rasterize -burn 1 -tr 10 10 -ot Byte."),
    *[Case(f"an empty name of {name}", bad.nothing, f"check|msi.tif|sar.tif|--{name}|", 2, f"--{name}: is empty. Name a file, or leave it out.") for name in ("mask", "aoi", "extra")],
    Case("masked pixels without a mask", bad.nothing, f"{MAP_GOOD} --map-masked", 2, "--map-masked: has no effect, as nothing is masked in this scene. Leave it out, or name a mask with --mask."),
    Case("a layer without CRS", bad.mask(crs=None), LAYERED, 3, "bad.tif: has no CRS. Give it its CRS with gdal_edit.py -a_srs."),
    Case("a layer of classes", bad.mask(lambda a: np.arange(a.size, dtype="uint8").reshape(a.shape) % 4 * 10), LAYERED, 0, "bdgf: warning: bad.tif: seems to hold classes in band 1, and its values are used as measurements: 20 is between 10 and 30. If they are classes, give one layer of 0 and 1 for each of them."),
    Case("unreadable values", bad.mask(), f"{MASKED}:3,x", 2, "--mask bad.tif:3,x: its values cannot be read. Write them like scl.tif:3,8-10."),
    Case("values from high to low", bad.mask(), f"{MASKED}:10-8", 2, "--mask bad.tif:10-8: its values cannot be read. Write them like scl.tif:3,8-10."),
    Case("no mask there", bad.nothing, r"check msi.tif sar.tif --mask C:\x\scl.tif:3,8-10", 3, "C:\\x\\scl.tif: does not exist. Check its name and the folder you are in."),
    Case("a classification that masks", bad.mask(lambda a: 5 * a + 4, to="scl.tif"), "check msi.tif sar.tif --mask scl.tif", 0, "bdgf: scl.tif: 13.9 % of the scene is masked: cloud 13.9 %."),
    Case("a map over its mask", bad.mask(), f"{MAP_TO} bad.tif --mask bad.tif:1 --overwrite", 6, "bad.tif: is one of the inputs. Choose another name."),
    Case("samples over the area", bad.copy("labels.gpkg", "bad.gpkg"), f"{SAMPLE_TO} bad.gpkg --aoi bad.gpkg --overwrite", 6, "bad.gpkg: is one of the inputs. Choose another name."),
    Case("points as an area", bad.labels(lambda f: f.set_geometry(f.centroid)), WITHIN, 4, "bad.gpkg: holds points, but an area of interest is made of polygons. Draw or buffer them."),
    Case("lines as an area", bad.labels(lambda f: f.set_geometry(f.boundary)), WITHIN, 4, "bad.gpkg: holds lines, but an area of interest is made of polygons. Draw or buffer them."),
    Case("an area elsewhere", bad.labels(lambda f: f.set_geometry(f.translate(1e5))), WITHIN, 4, "bad.gpkg: does not overlap the image: the area covers 14.9996…15.0095° E, 52.3448…52.3503° N, the image 13.5315…13.5423° E, 52.3356…52.3415° N (WGS84). Check the CRS of both."),
    Case("an empty area", bad.labels(lambda f: f[:0]), WITHIN, 4, "bad.gpkg: has no features. Draw some polygons first, or check the file."),
    Case("no area there", bad.nothing, WITHIN, 4, "bad.gpkg: does not exist. Check its name and the folder you are in."),
    Case("an area without labels", bad.geojson(bad.features((None, bad.square(60, 60, 3)))), f"{LABELLED} labels.gpkg --aoi bad.geojson", 4, "labels.gpkg: none of the labelled pixels lies in the area of interest bad.geojson. Check both, or enlarge the area."),
    # Raster content
    *[Case(f"pixels of {kind}", bad.image(lambda a, k=kind: (a.clip(0, 10_000) / 100).astype(k), nodata=None), CHECK, 0, "spectral: 10 bands of bad.tif*")
      for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")],
    *[Case(f"stored by {text}", bad.image(**options), CHECK, 0, "valid in both sensors: 89.* %")
      for text, options in (("big-endian", {"ENDIANNESS": "BIG"}), ("BigTIFF", {"BIGTIFF": "YES"}), ("strips", {"blockysize": 3}), ("tiles", {"tiled": True, "blockxsize": 16, "blockysize": 16}), ("pixel", {"interleave": "pixel"}), ("line", {"driver": "ENVI", "interleave": "line"}), ("LZW", {"compress": "lzw", "predictor": 2}), ("ZSTD", {"compress": "zstd"}))],
    Case("an empty band", bad.image(lambda a: np.concatenate([a[:9], np.full_like(a[:1], -9999)])), CHECK, 0, "bdgf: bad.tif: left out 1 of 10 bands, without data: B12."),
    Case("all nodata", bad.image(lambda a: np.full_like(a, -9999)), CHECK, 3, "bad.tif: no band is left, all are without data. Check that it is the right file."),
    Case("nothing in both", bad.both(bad.image(lambda a: np.where(np.arange(72) < 40, -9999, a)), bad.image(lambda a: np.where(np.arange(72) > 30, np.nan, a), of="sar.tif", to="half.tif")), "check bad.tif half.tif", 3, "bad.tif: no pixel has data in both images. Check the nodata values and CRS of both."),
    Case("mostly masked", bad.image(lambda a: np.where(np.arange(72) > 20, -9999, a)), CHECK, 0, "bdgf: warning: bad.tif: about 72 % of the scene has no data in one of the images."),
    Case("a constant band", bad.image(lambda a: np.concatenate([a[:9], np.full_like(a[:1], 500)])), CHECK, 0, "spectral: 10 bands of bad.tif*"),
    Case("infinite values", bad.image(lambda a: np.where((np.arange(72) > 30) & (np.arange(64)[:, None] < 30), np.inf, a.astype(np.float32)), nodata=-9999), CHECK, 0, "bdgf: warning: bad.tif: 27 % of its values are infinite, read as nodata."),
    Case("an offset to remove", bad.image(lambda a: np.where(a == -9999, a, a + 1000)), CHECK, 0, "bdgf: bad.tif: the offset of Sentinel-2 reflectance, +1000, is removed; --spectral-offset 0 keeps it."),
    Case("offset removed twice", bad.image(lambda a: np.where(a == -9999, a, a - 1000)), CHECK, 0, "bdgf: warning: bad.tif: * % of the visible pixels are negative, as if the Sentinel-2 offset were removed twice (0 is added here). Check --spectral-offset."),
    Case("dB as power", bad.image(of="sar.tif"), f"{RADAR} --sar-unit power", 3, "bad.tif: --sar-unit power contradicts its values: 99% are negative, as in db. Correct --sar-unit or the file."),
    Case("power as dB", bad.image(lambda a: 10 ** (a / 10), of="sar.tif"), f"{RADAR} --sar-unit db", 3, "bad.tif: --sar-unit db contradicts its values: 0% are negative, as in power. Correct --sar-unit or the file."),
    Case("power of zero", bad.image(lambda a: np.where(np.arange(72) < 9, 0, 10 ** (a / 10)).astype(np.float32), of="sar.tif"), RADAR, 0, "bdgf: bad.tif: 12 % of the SAR values are 0 or negative, raised to 1e-06."),
    Case("complex SAR", bad.image(lambda a: (10 ** (a / 20)).astype(np.complex64), of="sar.tif", nodata=None), RADAR, 0, "SAR: 2 bands of bad.tif; linear power"),
    Case("one SAR band", bad.image(lambda a: a[:1], of="sar.tif"), RADAR, 0, "SAR: 1 band of bad.tif; dB, read as linear power"),
    Case("a picture", bad.image(lambda a: (a[:3].clip(0, 2550) // 10).astype(np.uint8), nodata=None, names=()), CHECK, 0, "bdgf: warning: bad.tif: is an 8-bit RGB picture; expect poor classes. Use the original bands."),
    Case("images swapped", bad.image(), "check sar.tif bad.tif", 3, "sar.tif: is given as the spectral image but has SAR bands (VV, VH). Give the HSI/MSI first and the SAR second."),
    Case("years apart", bad.both(bad.image(to="S2_20200604.tif"), bad.image(of="sar.tif", to="S1_20220604.tif")), "check S2_20200604.tif S1_20220604.tif", 0, "bdgf: warning: S1_20220604.tif: was acquired on 2022-06-04, S2_20200604.tif on 2020-06-04: 730 days apart. Changes in between show in one of them only."),
    Case("one band twice", bad.both(*(bad.image(lambda a: a[:1], to=f"{f}/B02.tif", names=()) for f in "ab")), "check a/B02.tif,b/B02.tif sar.tif", 3, "b/B02.tif: band B02 also occurs in a/B02.tif. Remove one of them."),
    Case("names longer than a name may be", bad.both(*(bad.image(lambda a, i=i: a[i : i + 1], to=name, names=()) for i, name in enumerate(BANDS))), f"check {','.join(BANDS)} sar.tif", 0, "spectral: 7 bands of *"),
    *[Case(f"pages of {what}", bad.pages(**change), CHECK, 3, f"bad.tif: holds 2 pages that are not bands of one image: they have different {what}. Make one file of the pages that are: gdalbuildvrt -separate all.vrt GTIFF_DIR:1:FILE GTIFF_DIR:2:FILE …; gdal_translate all.vrt all.tif")
      for what, change in (("types of pixels", {"dtype": "uint8"}), ("positions", {"transform": Affine(10, 0, X + 90, 0, -10, Y)}))],
    Case("an archive without rasters", bad.zipped("labels.gpkg"), "check bad.zip sar.tif", 3, "bad.zip: is a zip archive without rasters. Expected .tif, .tiff, .jp2, .img, .he5, .dat, .bsq, .bil, .bip files in it."),
    Case("an archive of two folders", bad.zipped_folders, "check bad.zip sar.tif", 3, "bad.zip: holds 2 folders of rasters, one, two. Unpack it and give one."),
    # Damaged and hostile files
    Case("missing", bad.nothing, CHECK, 3, "bad.tif: does not exist. Check its name and the folder you are in."),
    Case("a folder", lambda f: (f / "bad.tif").mkdir(), CHECK, 3, "bad.tif: is a folder without rasters. Expected .tif, .tiff, .jp2, .img, .he5, .dat, .bsq, .bil, .bip files."),
    Case("empty", bad.content(b""), CHECK, 3, "bad.tif: is empty (0 bytes). Copy or download it again."),
    Case("text", bad.content(b"no raster at all"), CHECK, 3, "bad.tif: is not a GeoTIFF, ENVI or JPEG 2000 file. If gdalinfo knows it, convert it: gdal_translate -of GTiff."),
    Case("90 % of it", bad.cut("msi.tif", 0.9, "bad.tif"), CHECK, 3, "bad.tif: is cut off, 68370 of at least 75963 bytes are there. Copy or download it again."),
    Case("50 % of it", bad.cut("msi.tif", 0.5, "bad.tif"), CHECK, 3, "bad.tif: is cut off, 37984 of at least 75963 bytes are there. Copy or download it again."),
    Case("0.1 % of it", bad.cut("msi.tif", 0.001, "bad.tif"), CHECK, 3, "bad.tif: cannot be read as GeoTIFF, ENVI or JPEG 2000. Is it complete, and in one of these formats?"),
    Case("90 % of the SAR", bad.cut("sar.tif", 0.9, "bad.tif"), RADAR, 3, "bad.tif: is cut off, 29895 of at least 33213 bytes are there. Copy or download it again."),
    Case("half an ENVI image", bad.both(bad.image(to="bad.img", driver="ENVI"), bad.cut("bad.img", 0.5)), "check bad.img sar.tif", 3, "bad.img: is cut off, 46080 of at least 92160 bytes are there. Copy or download it again."),
    Case("90 % of a JPEG 2000", bad.both(bad.jpeg_2000, bad.cut("bad.jp2", 0.9)), "check bad.jp2 sar.tif", 3, "bad.jp2: is cut off, 7535 of 8372 bytes are there. Copy or download it again."),
    Case("flipped bytes", bad.both(bad.image(compress="deflate"), bad.damaged("bad.tif", 0.5, 2000 * b"\xff")), CHECK, 3, "bad.tif: is damaged near row 0, column 0. Copy or download it again."),
    Case("a VRT", bad.content(bad.VRT), CHECK, 3, "bad.tif: is a VRT. It only refers to other files. Convert it: gdal_translate -of GTiff bad.tif bad.tif."),
    Case("a WMS", bad.content(bad.WMS), CHECK, 3, "bad.tif: is the description of a map service. Download the images that it shows, and give those."),
    Case("a .SAFE.zip", bad.content(b"PK\x03\x04" + bytes(99), "S2A.SAFE.zip"), "check S2A.SAFE.zip sar.tif", 3, "S2A.SAFE.zip: cannot be unpacked (File is not a zip file). Unpack it and give what is in it, or copy it again."),
    Case("PRISMA", bad.content(b"\x89HDF\r\n\x1a\n", "PRS.he5"), "check PRS.he5 sar.tif", 3, "PRS.he5: is a damaged HDF5 file. Copy or download it again."),
    Case("EMIT", bad.content(b"\x89HDF\r\n\x1a\n", "EMIT.nc"), "check EMIT.nc sar.tif", 3, "EMIT.nc: is a damaged HDF5 file. Copy or download it again."),
    Case("ERDAS", bad.content(b"EHFA_HEADER_TAG\0", "a.img"), "check a.img sar.tif", 3, "a.img: is an ERDAS IMAGINE file. Convert it: gdal_translate -of GTiff a.img a.tif."),
    Case("a PNG as the SAR", bad.content(b"\x89PNG\r\n\x1a\n", "a.png"), "check msi.tif a.png", 3, "a.png: is a PNG picture. It holds colours for the screen, without place or measured values: give the image that it was made from."),
    Case("a JPEG as a map", bad.content(b"\xff\xd8\xff\xe0", "a.jpg"), "assess a.jpg --reference labels.gpkg --field class -o out", 3, "a.jpg: is a JPEG picture. It holds colours for the screen, without place or measured values: give the image that it was made from."),
    Case("1.7 GB that are nowhere", bad.sparse(40_960), CHECK, 3, "bad.tif: declares 1.7 GB of pixels but has only 205 kB. If it is that sparse, rewrite it with gdal_translate."),
    Case("another CRS beside it", bad.both(bad.image(), bad.content(bad.AUX_XML, "bad.tif.aux.xml")), CHECK, 0, "grid: 72 × 64 px of 10 m, EPSG:32633*"),
    Case("a mask beside it", bad.both(bad.image(driver="ENVI", to="bad.img"), bad.content(b"", "bad.img.msk")), "check bad.img sar.tif", 3, "bad.img: bad.img.msk next to it would replace its nodata. Remove it, or write nodata values."),
    Case("a mask beside a GeoTIFF", bad.both(bad.image(), bad.content(b"", "bad.tif.msk")), CHECK, 3, "bad.tif: has its mask in bad.tif.msk, which is not read. Write it into the file with gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES, or as nodata with gdalwarp -dstnodata; remove it if it does not belong to this image."),
    *[Case(f"{what} in an .aux.xml", bad.both(bad.image(), bad.content(f"<PAMDataset>{text}</PAMDataset>".encode(), "bad.tif.aux.xml")), CHECK, 0, f"bdgf: warning: bad.tif: bad.tif.aux.xml contains its {what}, which is not read. If it is right, write it into the file: gdal_edit.py, or gdal_translate to a new one.")
      for text, what in (("<SRS dataAxisToSRSAxisMapping='1,2'>EPSG:4326</SRS>", "CRS"), ("<NoDataValue>7</NoDataValue>", "nodata"), ("<Offset>-0.1</Offset><Scale>1e-4</Scale>", "scale, offset"))],
    Case("a pipe", bad.pipe("bad.tif"), CHECK, 3, "bad.tif: is not a regular file but a device or pipe. Give a raster file."),
    Case("spaces and umlauts", bad.image(to="bäd name.tif"), "check|bäd name.tif|sar.tif", 0, "spectral: 10 bands of bäd name.tif; Sentinel-2"),
    Case("a leading dash", bad.image(to="-bad.tif"), "check -- -bad.tif sar.tif", 0, "spectral: 10 bands of -bad.tif; Sentinel-2"),
    Case("too long a name", bad.nothing, f"check {LONG} sar.tif", 3, f"{LONG}: cannot be opened, file name too long. Choose a shorter one."),
    # Labels
    Case("no .prj", bad.both(bad.SHAPEFILE, bad.without("bad.prj")), f"{LABELLED} bad.shp", 4, "bad.shp: has no CRS, its .prj is missing. Give it one in QGIS (Set layer CRS) or with ogr2ogr -a_srs EPSG:…"),
    Case("no .shx", bad.both(bad.SHAPEFILE, bad.without("bad.shx")), f"{LABELLED} bad.shp", 4, "bad.shp: its .shx is missing. Copy all files of the Shapefile."),
    Case("no .dbf", bad.both(bad.SHAPEFILE, bad.without("bad.dbf")), f"{LABELLED} bad.shp", 4, "bad.shp: its .dbf, which holds the classes, is missing. Copy all files of the Shapefile."),
    Case("half a .shp", bad.both(bad.SHAPEFILE, bad.cut("bad.shp", 0.5)), f"{LABELLED} bad.shp", 4, "bad.shp: is cut off, 866 of 1732 bytes are there. Copy it again."),
    Case("half a .dbf", bad.both(bad.SHAPEFILE, bad.cut("bad.dbf", 0.5)), f"{LABELLED} bad.shp", 4, "bad.dbf: is cut off, 519 of 1037 bytes are there. Copy it again."),
    Case("half a GeoPackage", bad.cut("labels.gpkg", 0.5, "bad.gpkg"), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: is cut off, 49152 of 98304 bytes are there. Copy it again."),
    Case("half a GeoJSON", bad.geojson(bad.features(("a", bad.square(1, 1)))[:150]), f"{LABELLED} bad.geojson", 4, "bad.geojson: cannot be read, Unterminated string starting at: line 1 column 144 (char 143). Copy all files of the labels again."),
    Case("a row too many", bad.dbf_rows(1), f"{LABELLED} bad.shp", 4, "bad.shp: has 12 shapes, but 13 rows in its .dbf: which belong together is unclear. Copy all files of the Shapefile again from where it was made."),
    Case("the index of another file", bad.other_index, f"{LABELLED} bad.shp", 4, "bad.shp: its .shx is that of another file, so its shapes cannot be found. Copy all files of the Shapefile again from where it was made."),
    Case("rows too few", bad.dbf_rows(-2), f"{LABELLED} bad.shp", 4, "bad.shp: has 12 shapes, but 10 rows in its .dbf: which belong together is unclear. Copy all files of the Shapefile again from where it was made."),
    Case("two fields of one name", bad.two_fields, f"{LABELLED} bad.shp", 4, "bad.shp: has 2 fields named 'class'. Rename or remove all but one."),
    Case("two fields of one name listed", bad.two_fields, "check msi.tif sar.tif --labels bad.shp", 2, "bad.shp: --field is missing, the field that holds the class. It has no field with a name of its own: add or rename one."),
    Case("a table for labels", bad.content(b"class,x,y\n", "bad.csv"), f"{LABELLED} bad.csv", 4, "bad.csv: is a table, which is not read. Make points of its coordinates in QGIS (Add Delimited Text Layer), and save them as a GeoPackage."),
    Case("GeoParquet", bad.content(b"PAR1" + bytes(99), "bad.parquet"), f"{LABELLED} bad.parquet", 4, "bad.parquet: is in the format Parquet, which the installed GDAL does not read. Save it as a GeoPackage. In Python, with geopandas and pyarrow: geopandas.read_parquet('bad.parquet').to_file('bad.gpkg')"),
    Case("Latin-1 read as UTF-8", bad.latin_1, f"{LABELLED} bad.shp --encoding utf8", 4, "bad.shp: has text in another encoding ('utf-8' codec can't decode byte 0xe4 in position 3: invalid continuation byte). Try --encoding utf-8, latin-1, cp850 or gbk."),
    Case("UTF-8 read as Latin-1", bad.labels(lambda f: f.assign(**{"class": ["ForÃªt", "Eau"] * (len(f) // 2)}), "bad.shp"), f"{LABELLED} bad.shp", 0, "bdgf: warning: bad.shp: the text ForÃªt looks like Forêt in UTF-8 that was read in another encoding. If so, set --encoding utf-8"),
    Case("words for nothing", bad.labels(lambda f: f.assign(**{"class": ["nan", "<Null>", "a", "b"] * (len(f) // 4)})), f"{LABELLED} bad.gpkg", 0, "bdgf: warning: bad.gpkg: the classes <Null>, nan often mean 'no label'. If so, exclude them with --ignore-class '<Null>', --ignore-class nan"),
    Case("strips of triangles", bad.multipatch(0, [0, 1, 3, 2]), f"{LABELLED} bad.shp", 4, "bad.shp: holds multipatch features or other surfaces, which are not read. Convert them to polygons (Multipatch Footprint in ArcGIS)."),
    Case("a zip without labels", bad.zipped("model.safetensors"), f"{LABELLED} bad.zip", 4, "bad.zip: is an archive without a vector file. Give a file of labels."),
    Case("labels missing", bad.nothing, f"{LABELLED} bad.gpkg", 4, "bad.gpkg: does not exist. Check its name and the folder you are in."),
    Case("a CRS that is a link", bad.geojson(bad.features(("a", bad.square(1, 1))).replace('"name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}', '"link", "properties": {"href": "http://127.0.0.1:9/a"}')), f"{LABELLED} bad.geojson", 4, "bad.geojson: its CRS is a link, which is not followed. Save it again with QGIS."),
    Case("an index for labels", bad.SHAPEFILE, f"{LABELLED} bad.shx", 4, "bad.shx: is the index of a Shapefile. Give its .shp."),
    Case("changes beside labels", bad.both(bad.copy("labels.gpkg", "bad.gpkg"), bad.content(b"x", "bad.gpkg-journal")), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: has unsaved changes in bad.gpkg-journal. Close it in QGIS, or save it again."),
    *[Case(f"a name with {mark}", bad.both(bad.copy("labels.gpkg", name), bad.copy("labels.gpkg", "b.gpkg")), f"{LABELLED} {name}", 4, f"{name}: has {mark} in its name, which GDAL takes for an archive or an address. Rename it.")
      for name, mark in (("a!b.gpkg", "!"), ("b.gpkg;a", ";"), ("a?b.gpkg", "?"), ("a.gpkg.ZIP", ".ZIP"))],
    Case("a job to a name with !", bad.nothing, "map msi.tif sar.tif --labels labels.gpkg --field class --overwrite -o new!out.tif", 6, "new!out_steps/samples.gpkg: has ! in its name, which GDAL takes for an archive or an address. Rename it."),
    Case("labels that are a pipe", bad.pipe("bad.gpkg"), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: is not a file. Give a Shapefile (.shp), GeoPackage, GeoJSON, FlatGeobuf, KML or File Geodatabase."),
    Case("empty labels", bad.content(b"", "bad.shp"), f"{LABELLED} bad.shp", 4, "bad.shp: is empty. Give a Shapefile (.shp), GeoPackage, GeoJSON, FlatGeobuf, KML or File Geodatabase."),
    Case("an image for labels", bad.nothing, f"{LABELLED} msi.tif", 4, "msi.tif: is a raster. Convert it to polygons first, for example with gdal_polygonize.py. Give a Shapefile (.shp), GeoPackage, GeoJSON, FlatGeobuf, KML or File Geodatabase."),
    Case("an OGR VRT", bad.content(bad.OGR_VRT, "bad.shp"), f"{LABELLED} bad.shp", 4, "bad.shp: is in a format that is not read. Give a Shapefile (.shp), GeoPackage, GeoJSON, FlatGeobuf, KML or File Geodatabase."),
    Case("no features", bad.labels(lambda f: f[:0]), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: has no features. Draw some polygons first, or check the file."),
    Case("all outside", bad.labels(lambda f: f.assign(geometry=f.translate(90_000))), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: no feature holds a pixel of the image. The labels cover 14.8527…14.8627°E 52.3447…52.3502°N, the image 13.5315…13.5423°E 52.3356…52.3415°N. Check the CRS of both, or the size of the polygons."),
    Case("no geometry", bad.geojson(bad.features(("a", None), ("b", None))), f"{LABELLED} bad.geojson", 4, "bad.geojson: none of its 2 features has both a geometry and a class. Check the field."),
    Case("lines", bad.geojson(bad.features(("a", bad.shape(shapely.LineString([(1, 1), (9, 9)]))), ("b", bad.square(20, 20)))), f"{LABELLED} bad.geojson", 4, "bad.geojson: holds 1 lines; labels are polygons or points. Remove or buffer them."),
    Case("some bad features", bad.geojson(bad.SOME_BAD), f"{LABELLED} bad.geojson", 0, "bdgf: warning: bad.geojson: 12 features: *"),
    Case("points", bad.geojson(bad.features(*((("a", "b")[i % 2], bad.shape(shapely.Point(3 + 6 * i, 40))) for i in range(11)))), f"{LABELLED} bad.geojson", 0, "all *"),
    Case("holes and heights", bad.geojson(bad.features(*((("a", "b")[i % 2], bad.shape(bad.ring(3 + 16 * i, 30))) for i in range(4)))), f"{LABELLED} bad.geojson", 0, "all *"),
    Case("a million vertices", bad.geojson(bad.features(("a", bad.shape(shapely.Point(15, 40).buffer(9, quad_segs=250_000))), ("b", bad.square(40, 40)))), f"{LABELLED} bad.geojson", 0, "all *"),
    Case("field missing", bad.labels(lambda f: f.rename(columns={"class": "klass"})), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: has no field 'class', but klass. Did you mean klass?"),
    Case("no class", bad.labels(lambda f: f.assign(**{"class": None})), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: none of its 12 features has both a geometry and a class. Check the field."),
    Case("fractions", bad.labels(lambda f: f.assign(**{"class": np.linspace(0.5, 3.2, len(f))})), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: the field class holds fractions such as 0.5, which cannot be classes. Choose another field."),
    Case("one class", bad.labels(lambda f: f.assign(**{"class": "wood"})), "sample msi.tif sar.tif --labels bad.gpkg --field class -o out.gpkg", 4, "bad.gpkg: a map needs at least two classes that have pixels with data in both images, found wood. Check the field, or add labels."),
    Case("odd ids", bad.labels(lambda f: f.assign(**{"class": np.array([-1, 0, 2**40])[np.arange(len(f)) % 3]})), f"{LABELLED} bad.gpkg", 0, "1099511627776 *"),
    Case("300 classes", bad.geojson(bad.features(*((f"class {i}", bad.shape(shapely.Point(1.5 + 3 * (i % 22), 20.5 + 3 * (i // 22)))) for i in range(300)))), f"{LABELLED} bad.geojson", 0, "class 299 *"),
    Case("two classes, one place", bad.labels(bad.disputed), f"{LABELLED} bad.gpkg --conflicts error", 4, "bad.gpkg: 36 pixels lie in features of different classes, first in features 0, 1 (counted from 0). Correct them, or use --conflicts drop or --conflicts last."),
    Case("two classes dropped", bad.labels(bad.disputed), f"{LABELLED} bad.gpkg", 0, "bdgf: warning: bad.gpkg: 12 features: 36 pixels in features of different classes (drop)"),
    Case("a compressed ENVI image", bad.both(bad.image(driver="ENVI", to="bad.img"), bad.append("bad.hdr", b"file compression = 1\n")), "check bad.img sar.tif", 3, "bad.img: is compressed according to its header (file compression). Convert it: gdal_translate -of GTiff."),
    Case("an unknown encoding", bad.SHAPEFILE, f"{LABELLED} bad.shp --encoding klingon", 2, "--encoding klingon: is unknown. Use one such as utf-8, latin-1, cp1252 or gbk."),
    Case("another encoding", bad.chinese, f"{LABELLED} bad.shp --encoding gbk", 0, "水体 *"),
    Case("two layers", bad.both(bad.copy("labels.gpkg", "bad.gpkg"), bad.labels(lambda f: f, layer="more")), f"{LABELLED} bad.gpkg", 4, "bad.gpkg: has 2 layers, labels, more. Choose one with --layer."),
    Case("no such layer", bad.copy("labels.gpkg", "bad.gpkg"), f"{LABELLED} bad.gpkg --layer lables", 4, "bad.gpkg: has no layer 'lables', but labels. Did you mean labels?"),
    Case("a leak", bad.nothing, f"{LABELLED} labels.gpkg --split random", 0, "split by random; nearest training and test pixel 1 px apart; 100 % of test windows overlap training windows"),
    # Checkpoints
    Case("model missing", bad.nothing, MAP, 5, "bad.safetensors: there is no such file. bdgf train makes a model, bdgf pretrain a denoiser."),
    Case("model empty", bad.content(b"", "bad.safetensors"), MAP, 5, "bad.safetensors: is not a safetensors file, or it is cut off (Error while deserializing header: header too small)."),
    Case("half a model", bad.cut("model.safetensors", 0.5, "bad.safetensors"), MAP, 5, "bad.safetensors: is not a safetensors file, or it is cut off (Error while deserializing header: incomplete metadata, file not fully covered)."),
    Case("labels and a model that is there", bad.nothing, "map msi.tif sar.tif --labels labels.gpkg --field class --model model.safetensors -o out.tif", 2, "--model model.safetensors already exists and --labels would replace it. Drop --labels to use it, or choose another name."),
    Case("an endless tile", bad.nothing, f"{MAP_GOOD} --tile 20000", 2, "--tile 20000: needs too much memory. Use 16384 or less."),
    Case("a bit of a weight", bad.damaged("model.safetensors", 0.99, b"?", "bad.safetensors"), MAP, 5, "bad.safetensors: is damaged (its checksum does not match). Copy it again, or train again."),
    Case("a bit of the header", bad.damaged("model.safetensors", 0.0011, b"?", "bad.safetensors"), MAP, 5, "bad.safetensors: is damaged (its checksum does not match). Copy it again, or train again."),
    Case("a torch file", bad.torch_file, MAP, 5, "bad.safetensors: is a pickle, as torch.save writes it, which may run any program and is not opened. Give a .safetensors file of bdgf."),
    Case("not one of ours", lambda f: save_file({"a": np.zeros(1)}, f / "bad.safetensors"), MAP, 5, "bad.safetensors: is a safetensors file, but not one written by bdgf."),
    Case("weights missing", bad.model(lambda m: m.weights.pop("fusion." + next(iter(m.part("fusion."))))), MAP, 5, "the model's weights do not fit its recipe: fusion.cnn.fold.bias is missing, expected (64,). Train the model again."),
    Case("a denoiser", bad.copy("denoiser.safetensors", "bad.safetensors"), MAP, 5, "bad.safetensors: is a denoiser, a model is needed: bdgf train makes a model from it."),
    Case("a model for a denoiser", bad.nothing, "train msi.tif sar.tif --samples samples.gpkg --denoiser model.safetensors -o out.safetensors", 5, "model.safetensors: is a model, a denoiser is needed: a denoiser comes from bdgf pretrain."),
    Case("a band less than the model", bad.image(lambda a: a[:9]), "map bad.tif sar.tif --model model.safetensors -o out.tif", 5, "the model: spectral bands differ: expected B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12; the image has B02, B03, B04, B05, B06, B07, B08, B8A, B11; not found: B12 (2202 nm). Use an image with these bands."),
    Case("bands in another order", bad.image(lambda a: a[::-1], names=("B12", "B11", "B8A", "B08", "B07", "B06", "B05", "B04", "B03", "B02")), "map bad.tif sar.tif --model model.safetensors -o ok.tif", 0, "bdgf: the model: spectral bands reordered to match the checkpoint: B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12"),
    # Outputs and the system
    Case("output exists", bad.content(b"mine", "out.tif"), MAP_GOOD, 6, "out.tif: exists already. Choose another name, or allow it with --overwrite."),
    Case("output is a folder", lambda f: (f / "out.tif").mkdir(), MAP_GOOD, 6, "out.tif: is a folder. Give the name of a file."),
    *[Case(f"{what} into a folder", bad.nothing, f"{command} .", 6, ".: is a folder. Give the name of a file.")
      for what, command in (("map", MAP_TO), ("shard", MAP_TO.replace("map", "map --shard 1/2", 1)), ("whole job", MAP_ALL_TO), ("train", TRAIN_TO), ("pretrain", PRETRAIN_TO), ("sample", SAMPLE_TO), ("align", "align msi.tif sar.tif -o"), ("mosaic", "mosaic a.partial -o"))],
    *[Case(f"{command.split()[0]} to a name in Latin-1", bad.nothing, f"{command} {CAFE}", 6, f"{SHOWN}: has a name that is not in UTF-8. Rename it.")
      for command in (MAP_TO, TRAIN_TO, SAMPLE_TO, "demo")],
    *[Case(f"{command.split()[0]} to {name}", bad.nothing, f"{command} {name}", 6, f"{name}: is also the name of a companion file that bdgf writes. Use another extension.")
      for command, name in ((TRAIN_TO, "out.csv"), (PRETRAIN_TO, "out.csv"), (PRETRAIN_TO, "out.png"), (MAP_TO, "out.qml"))],
    Case("a map without an extension", bad.nothing, f"{MAP_TO} out", 6, "out: does not end in .tif or .tiff. Name it out.tif."),
    Case("a map and its model of one name", bad.nothing, f"{MAP_ALL_TO} out.tif --model out.tif.json", 6, "out.tif.json: is also the name of a companion file that bdgf writes. Use another extension."),
    *[Case(f"{command.split()[0]} to {name}", bad.nothing, f"{command} {name} --overwrite", 6, f"{name}: a {kind} is written, and {suffix} is the extension of another format. Name it out{right}.")
      for command, name, kind, suffix, right in ((MAP_TO, "out.png", "GeoTIFF", ".png", ".tif"), (MAP_TO, "out.img", "GeoTIFF", ".img", ".tif"), ("align msi.tif sar.tif -o", "out.JPG", "GeoTIFF", ".jpg", ".tif"), ("mosaic a.partial -o", "out.shp", "GeoTIFF", ".shp", ".tif"),
                                                 (SAMPLE_TO, "out.shp", "GeoPackage", ".shp", ".gpkg"), (TRAIN_TO, "out.tif", "safetensors file", ".tif", ".safetensors"))],
    *[Case(f"a report to rep{suffix}", bad.nothing, f"assess map.tif --reference labels.gpkg --field class -o rep{suffix}", 6, f"rep{suffix}: a folder is written, and {suffix} is the extension of a file. Name it rep.")
      for suffix in (".html", ".pdf", ".json", ".png", ".csv")],
    *[Case(f"{command.split()[0]} to {name}", lambda f: os.mkfifo(f / "pipe"), f"{command} {name} --overwrite", 6, f"{name}: is not a regular file but a device or pipe. Give the name of a file.")
      for command, name in ((MAP_TO, os.devnull), (MAP_TO, "pipe"), (MAP_TO, "/dev/fd/2"), (SAMPLE_TO, os.devnull), (TRAIN_TO, "pipe"), (PRETRAIN_TO, os.devnull), ("align msi.tif sar.tif -o", os.devnull), ("mosaic a.partial -o", "pipe"), ("assess msi.tif --reference labels.gpkg -o", os.devnull))],
    Case("tiles of nothing, to train", bad.nothing, f"{MAP_ALL_TO} out.tif --model out.safetensors --tile 0", 2, "--tile 0: is smaller than the 20 px around a pixel that the model sees. Use 128 or more."),
    Case("a memory of 1 MB, to train", bad.nothing, f"{MAP_ALL_TO} out.tif --model out.safetensors --max-ram 1MB", 7, "--max-ram 0.001GB: mapping this scene takes at least 0.95 GB, with tiles of 128 px and one thread. Raise the limit, or crop the scene."),
    Case("no folder", bad.nothing, "map msi.tif sar.tif --model model.safetensors -o no/out.tif", 6, "no/out.tif: the folder no does not exist. Create it first."),
    Case("output is an input", bad.nothing, "map msi.tif sar.tif --model model.safetensors -o msi.tif --overwrite", 6, "msi.tif: is one of the inputs. Choose another name."),
    Case("output is an input by a link", bad.link("out.tif", "msi.tif"), f"{MAP_GOOD} --overwrite", 6, "out.tif: is one of the inputs. Choose another name."),
    *[Case(f"{output} is an input", bad.link(output, source), f"{command} --overwrite", 6, f"{output}: is one of the inputs. Choose another name.") for command, output, source in (
        ("map msi.tif sar.tif --model model.safetensors -o out.tif --novelty".replace("sar.tif", "out_novelty.tif"), "out_novelty.tif", "sar.tif"),
        (f"{PRETRAIN_TO} out.safetensors".replace("sar.tif", "out.png"), "out.png", "sar.tif"),
    )],
    Case("output is a link to nowhere", bad.link("out.tif", "nothing.tif"), MAP_GOOD, 6, "out.tif: exists already. Choose another name, or allow it with --overwrite."),
    Case("samples exist", bad.content(b"mine", "out.gpkg"), "sample msi.tif sar.tif --labels labels.gpkg --field class -o out.gpkg", 6, "out.gpkg: exists already. Choose another name, or allow it with --overwrite."),
    Case("a part that is a link", bad.both(bad.content(b"mine", "mine"), bad.link("out.tif.partial", "mine")), f"{MAP_GOOD} --overwrite", 6, "out.tif.partial: is a symbolic link, and its target would be overwritten. Remove it."),
    Case("no such GPU", bad.nothing, f"{MAP_GOOD} --device cuda:99", 7, '--device cuda:99: is not available on this machine. Use --device cpu.'),
    Case("a choice that is none", bad.nothing, "check msi.tif sar.tif --coreg always", 2, "Invalid value for '--coreg': 'always' is not one of 'off', 'grid', 'auto'. See bdgf check --help."),
    Case("a negative shift", bad.nothing, "check msi.tif sar.tif --max-shift -3", 2, "--max-shift -3: is out of range. Use a value above 0."),
    Case("no such device", bad.nothing, f"{MAP_GOOD} --device tpu", 2, '--device tpu: is unknown. Use auto, cpu, cuda or cuda:0.'),
    Case("a memory of 1 MB", bad.nothing, f"{MAP_GOOD} --max-ram 1MB", 7, "--max-ram 0.001GB: mapping this scene takes at least 0.90 GB, with tiles of 128 px and one thread. Raise the limit, or crop the scene."),
    Case("a memory of nothing", bad.nothing, f"{MAP_GOOD} --max-ram much", 2, "--max-ram much: is not a size. Write it like 4GB or 900MB."),
    Case("tiles of nothing", bad.nothing, f"{MAP_GOOD} --tile 0", 2, "--tile 0: is smaller than the 20 px around a pixel that the model sees. Use 128 or more."),
    Case("shard 5 of 4", bad.nothing, f"{MAP_GOOD} --shard 5/4", 2, "--shard 5/4: is not a part of a map. Write it like 2/4, the second of four."),
    Case("no data by NaN", bad.image(lambda a: a.astype("float32"), nodata=np.nan), "info bad.tif --json", 0, '  "nodata": null,'),
    Case("a part that is none", bad.content(b"x", "bad.partial"), "mosaic bad.partial -o out.tif", 6, "bad.partial: is not a partial map. Expected a .partial folder from bdgf map."),
    Case("a part that is missing", bad.nothing, "mosaic no.partial -o out.tif", 6, "no.partial: does not exist. Check its name and the folder you are in."),
    Case("a part and a map", lambda f: (f / "a.partial").mkdir(), "mosaic a.partial msi.tif -o out.tif", 6, "a.partial: is a part of a map, and msi.tif is not. Join the parts first, then the finished maps."),
    Case("an image for a part", bad.nothing, "mosaic msi.tif -o out.tif", 3, "msi.tif: is not a class map: pixels are int16, expected uint8 or uint16. Use a map that bdgf wrote; if this is one saved with other pixels, convert it: gdal_translate -ot UInt16."),
    Case("a map without names", bad.image(lambda a: (a[:1] > 0).astype(np.uint8), nodata=0, names=()), "mosaic bad.tif -o out.tif", 4, "bad.tif: has no class names, which bad.tif.aux.xml should hold. Copy the .aux.xml of the map that it was made from to bad.tif.aux.xml. To join maps, use bdgf mosaic, which keeps the names; to clip or warp one, gdal_translate, or gdalwarp -r near."),
    Case("an unknown setting", bad.nothing, f"{PRETRAIN} --set diffusion.stpes=3", 2, "--set diffusion.stpes=3: unknown setting 'diffusion.stpes'. Did you mean 'diffusion.steps'?"),
    Case("a wrong type", bad.nothing, f"{PRETRAIN} --set diffusion.steps=many", 2, "laptop: diffusion.steps: Input should be a valid integer, unable to parse string as an integer, found 'many'. Correct this setting."),
    Case("an unknown network", bad.nothing, f"{PRETRAIN} --set diffusion.network=4d", 2, "laptop: diffusion.network: Input should be '2d' or '3d', found '4d'. Correct this setting."),
    Case("an even window", bad.nothing, f"{PRETRAIN} --set fusion.patch=8", 2, "laptop: fusion: patch must be odd, not 8. Correct this setting."),
    Case("a negative number", bad.nothing, f"{PRETRAIN} --set diffusion.steps=-3", 2, "laptop: diffusion.steps: Input should be greater than or equal to 1, found '-3'. Correct this setting."),
    Case("a broken settings file", bad.content(b"[diffusion]\nsteps = = 3\n", "bad.toml"), f"{PRETRAIN} -c bad.toml", 2, "bad.toml: cannot be read as TOML: Invalid value (at line 2, column 9)."),
    Case("nine squares", bad.nothing, f"{PRETRAIN} --set context.sizes_px=9,9,9,9,9,9,9,9,9", 2, "laptop: context.sizes_px: Tuple should have at most 8 items after validation, not 9, found ('9', '9', '9', '9', '9', '9', ...). Correct this setting."),
    Case("a square too large", bad.nothing, f"{PRETRAIN} --set context.sizes_px=131", 2, "laptop: context.sizes_px: sizes_px must be odd and between 3 and 129, not 131, found '131'. Correct this setting."),
    Case("a branch named twice", bad.nothing, f"{PRETRAIN} --set fusion.branches=cnn,cnn", 2, "laptop: fusion: a branch is listed twice. Correct this setting."),
    Case("one component", bad.nothing, f"{PRETRAIN} --set spectral.max_components=1", 2, "laptop: spectral.max_components: Input should be greater than or equal to 2, found '1'. Correct this setting."),
    Case("an unknown recipe", bad.nothing, f"{PRETRAIN} -c labtop", 2, "labtop: is not a recipe. Use laptop, base, paper or a .toml file."),
    Case("a loss that explodes", bad.nothing, f"{PRETRAIN} --steps 30 --set diffusion.learning_rate=1e30", 2, "pretrain: the loss is not finite at step 1 (learning rate 1e+30). Lower diffusion.learning_rate, and check the images for extreme values."),
    Case("samples of another scene", bad.image(lambda a: a[:, 5:, 5:], transform=Affine(10, 0, X + 50, 0, -10, Y - 50)), "train bad.tif sar.tif --samples samples.gpkg -o out.safetensors", 4, "the samples belong to another image (72 × 64 px of 10 m, EPSG:32633; this one: 67 × 59 px of 10 m, EPSG:32633). Draw them again with bdgf sample."),
    Case("no samples", bad.copy("labels.gpkg", "bad.gpkg"), "train msi.tif sar.tif --samples bad.gpkg -o out.safetensors", 4, "bad.gpkg: is not a file of samples. Make one with bdgf sample."),
    Case("an image for a map", bad.nothing, "assess msi.tif --reference labels.gpkg --field class -o out", 3, "msi.tif: is not a class map: it has 10 band(s) of int16, expected one of whole numbers. Choose the band and convert it: gdal_translate -b 1 -ot UInt16."),
    Case("Presto without weights", bad.nothing, f"{PRETRAIN} --set features.source=presto", 2, "features.weights: names no file, but features of Presto need its weights. Set it to data/default_model.pt of github.com/nasaharvest/presto, or to a safetensors file."),
    Case("Presto with a missing file", bad.nothing, f"{PRETRAIN} {PRESTO} --set features.weights=bad.pt", 5, "bad.pt: there is no such file of Presto's weights. Give data/default_model.pt of github.com/nasaharvest/presto, or its encoder as a safetensors file."),
    Case("Presto with a file of another kind", bad.content(b"weights", "bad.pt"), f"{PRETRAIN} {PRESTO} --set features.weights=bad.pt", 5, "bad.pt: is not a safetensors file, or it is cut off (Error while deserializing header: header too small). Give data/default_model.pt of github.com/nasaharvest/presto, or its encoder as a safetensors file."),
    Case("Presto with weights that run a program", bad.torch_pickle(b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00touch\x85R."), f"{PRETRAIN} {PRESTO} --set features.weights=bad.pt", 5, "bad.pt: is a PyTorch file that is not read: its pickle asks for os.system, which is not run. Give data/default_model.pt of github.com/nasaharvest/presto, or its encoder as a safetensors file."),
    Case("Presto for unnamed bands", bad.image(names=()), f"pretrain bad.tif sar.tif -o out.safetensors {PRESTO}", 3, "bad.tif: is not known to be of Sentinel-2, for which Presto was trained (no band names). Use a Sentinel-2 image of one date, name unnamed bands in features.bands, or do without Presto."),
    Case("Presto with too few names", bad.nothing, f"{PRETRAIN} {PRESTO} --set features.bands=B02,B03", 2, "features.bands: names 2 bands, msi.tif has 10: B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12. Name all of them in their order."),
    Case("Presto for a denoiser without", bad.nothing, f"{TRAIN_TO} out.safetensors --set features.source=presto", 5, "the denoiser: was pre-trained without the features that features.source=presto needs. Pre-train again with this setting."),
    Case("a month 13", bad.nothing, f"{PRETRAIN} --set features.month=13", 2, "laptop: features.month: Input should be less than or equal to 12, found '13'. Correct this setting."),
    Case("an unknown command", bad.nothing, "paint", 2, "No such command 'paint'. Did you mean 'pretrain', 'train', 'align'? See bdgf --help."),
    Case("an unknown option", bad.nothing, f"{MAP_GOOD} --colour", 2, "No such option: --colour (Possible options: --coreg, --ood). See bdgf map --help."),
    Case("an unknown data set", bad.nothing, "bench --dataset ausgburg -o out", 2, "--dataset ausgburg: is unknown and not a file. Did you mean augsburg?"),
]
# fmt: on


@pytest.fixture(scope="module", autouse=True)
def compiled(good: Path) -> None:
    """No bad input has to wait for kernels; those of the networks were compiled to make the good model."""
    kernel("cpu")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(
    case: Case, good: Path, bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    for file in good.iterdir():
        (tmp_path / file.name).hardlink_to(file)
    case.make(tmp_path)
    before = contents(tmp_path)
    capsys.readouterr()
    begun, worked, held = time.monotonic(), time.process_time(), peak_bytes(reset=True)
    code = bdgf(*(case.command.split("|") if "|" in case.command else case.command.split()))
    took, worked, grown = time.monotonic() - begun, time.process_time() - worked, peak_bytes() - held
    out, err = capsys.readouterr()
    assert code == case.code, err
    if code:
        assert err.splitlines()[-1] == f"bdgf: error: {case.message}"
        assert contents(tmp_path) == before
    else:
        assert fnmatch.filter([*err.splitlines(), *out.splitlines()], escaped(case.message)), err + out
    assert "Traceback" not in err
    assert "\x1b" not in err + out
    assert worked < SECONDS
    assert took < 12 * SECONDS
    assert grown < BYTES
    tally("bad input: exit code, message, nothing left, within 5 s and 1 GB", 1)


DAMAGED = {
    "msi.tif": "check msi.tif sar.tif",
    "bad.jp2": "check bad.jp2 sar.tif",
    "labels.gpkg": f"{LABELLED} labels.gpkg",
    "bad.shp": f"{LABELLED} bad.shp",
    "samples.gpkg": "train msi.tif sar.tif --samples samples.gpkg --denoiser denoiser.safetensors -o new.safetensors --overwrite",
    "model.safetensors": "info model.safetensors",
    "out.tif": "assess out.tif --reference labels.gpkg --field class -o report --overwrite",
    "out.tif.json": "info out.tif",
    "out.tif.aux.xml": "info out.tif",
    "out.tif.1-of-2.partial/plan.json": "mosaic out.tif.1-of-2.partial -o new.tif --overwrite",
}


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused(
    good: Path, bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    """Bytes overwritten, or the end lost, as by a bad disk or a broken download: no traceback, whatever they are."""
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    bad.both(bad.SHAPEFILE, bad.jpeg_2000)(tmp_path)
    assert bdgf(*MAP_GOOD.split(), "--shard", "1/2") == bdgf(*MAP_GOOD.split()) == 0
    chance = random.Random(0)
    for name, command in DAMAGED.items():
        whole = (tmp_path / name).read_bytes()
        for _ in range(2 * TRIALS):
            spoiled = bytearray(whole)
            for at in chance.choices(range(len(whole)), k=3):
                spoiled[at : at + 8] = chance.randbytes(8)
            (tmp_path / name).write_bytes(spoiled[: chance.choice((None, chance.randrange(len(whole))))])
            assert bdgf(*command.split()) in (0, 3, 4, 5, 6), (name, capsys.readouterr().err)
        (tmp_path / name).write_bytes(whole)
    tally("damaged file", 2 * TRIALS * len(DAMAGED))


CLOSED = [
    ("check closed/msi.tif sar.tif", 3, "closed/msi.tif"),
    ("check closed sar.tif", 3, "closed"),
    ("align msi.tif closed/sar.tif -o out.tif", 3, "closed/sar.tif"),
    (f"{LABELLED} own.gpkg", 4, "own.gpkg"),
    *[(f"{LABELLED} own.shp", 4, f"own.{ending}") for ending in ("shp", "dbf")],
    ("train msi.tif sar.tif --samples closed/samples.gpkg -o out.safetensors", 4, "closed/samples.gpkg"),
    ("map msi.tif sar.tif --model own.safetensors -o new.tif", 5, "own.safetensors"),
    (f"{MAP_TO} closed/out.tif", 6, "closed/out.tif"),
    ("assess out.tif --reference labels.gpkg --field class -o closed", 6, "*/closed"),
    ("mosaic closed/a.partial -o out.tif", 6, "closed/a.partial/plan.json"),
    (f"{MAP_GOOD} --resume", 6, "out.tif.partial"),
]


@pytest.mark.parametrize(("command", "code", "file"), CLOSED)
def test_files_that_may_not_be_opened(
    command: str, code: int, file: str, good: Path, bdgf: Bdgf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    bad.SHAPEFILE(tmp_path)
    (tmp_path / "out.tif.partial").mkdir()
    for name in ("labels.gpkg", "model.safetensors"):
        bad.copy(name, f"own{Path(name).suffix}")(tmp_path)
    for path in tmp_path.glob("bad.*"):
        path.rename(path.with_stem("own"))
    shutil.copytree(good, tmp_path / "closed")
    unreadable = tmp_path / ("closed" if "closed" in file else file)
    unreadable.chmod(0)
    capsys.readouterr()
    with bound_by_permissions():
        assert bdgf(*command.split()) == code
    unreadable.chmod(0o700)
    line = capsys.readouterr().err.splitlines()[-1]
    said = f"bdgf: error: {file}: cannot be opened, permission denied. Change its permissions, or those of its folder."
    assert fnmatch.fnmatch(line, said)


@contextlib.contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Without what lets root pass permissions by, two of the capabilities of Linux; for others nothing changes."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("permissions do not bind root")
    libc = ctypes.CDLL(None)
    version, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # linux/capability.h; this thread
    assert libc.capget(version, sets) == 0
    before = sets[0]
    sets[0] = before & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(version, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(version, sets) == 0


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder, with sizes and times; nothing is added and nothing changed by a command that fails."""
    states = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (state.st_size, state.st_mtime_ns) for name, state in states.items()}


def escaped(pattern: str) -> str:
    """A pattern of which only * is a wildcard."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def peak_bytes(*, reset: bool = False) -> int:
    """The most memory this process has held, since the last reset where the system allows one."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    try:
        return 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
