"""Names and wavelengths of bands, from wherever a file keeps them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from rasterio.io import DatasetReader

# Centre wavelengths in nm. Sentinel-2A MSI: ESA, Sentinel-2 spectral response functions (S2-SRF).
SENTINEL_2: Mapping[str, float] = {
    "B01": 442.7,
    "B02": 492.4,
    "B03": 559.8,
    "B04": 664.6,
    "B05": 704.1,
    "B06": 740.5,
    "B07": 782.8,
    "B08": 832.8,
    "B8A": 864.7,
    "B09": 945.1,
    "B10": 1373.5,
    "B11": 1613.7,
    "B12": 2202.4,
}
# Middles of the band passes of OLI and TIRS: USGS, Landsat 8 Data Users Handbook, table 2-1.
LANDSAT_8_9: Mapping[str, float] = {
    "B1": 443.0,
    "B2": 482.0,
    "B3": 561.5,
    "B4": 654.5,
    "B5": 865.0,
    "B6": 1608.5,
    "B7": 2200.5,
    "B8": 589.5,
    "B9": 1373.5,
    "B10": 10895.0,
    "B11": 12005.0,
}
# Middles of the band passes of TM and ETM+: USGS, Landsat 7 Data Users Handbook, table 2-1.
LANDSAT_4_7: Mapping[str, float] = {
    "B1": 485.0,
    "B2": 560.0,
    "B3": 660.0,
    "B4": 835.0,
    "B5": 1650.0,
    "B6": 11450.0,
    "B7": 2215.0,
    "B8": 710.0,
}
SENSORS: Mapping[str, Mapping[str, float]] = {
    "Sentinel-2": SENTINEL_2,
    "Landsat 8/9": LANDSAT_8_9,
    "Landsat 4-7": LANDSAT_4_7,
}

# Where water vapour absorbs so much that hardly any light comes back from the ground, in nm: around 1380
# and 1880 (Gao and Goetz 1990, doi:10.1029/JD095iD04p03549), and beyond 2450, where the sunlight also
# fades. The last range ends before thermal bands begin.
WATER_VAPOUR_NM = ((1340.0, 1460.0), (1790.0, 1960.0), (2450.0, 3000.0))

POLARISATIONS = ("VV", "VH", "HH", "HV")

_BAND_WORD = re.compile(r"(?:^|[^a-z0-9])(B\d{1,2}A?|VV|VH|HV|HH)(?![a-z0-9])", re.IGNORECASE)
_SPECTRAL_WORD = re.compile(
    r"(?<![a-z])(?:blue|green|red|coastal|pan|v?nir|swir|tir|red[ _-]?edge)(?![a-z])|infra[ _-]?red", re.IGNORECASE
)
# What comes beside bands: codes and shares of what covers a pixel, how it was seen, heights, pictures. As bands they
# would hide which sensor it is, and say nothing that holds on another scene. Their kind ends their name: area1_B02 is
# a band.
CODES = (
    *("scl", "aot", "wvp", "cld", "snw", "cldprb", "snwprb", "bqa", r"qa_?(?:pixel|radsat|aerosol|\d+)", "[a-z]*mask"),
    *("msk_[a-z_]+", "st_(?:atran|cdist|drad|emis|emsd|qa|trad|urad)", "sr_(?:atmos_opacity|cloud_qa)"),
    *(r"ql_[a-z_]+(?:-\d+)?", "udm2?", "scene_classification_map"),  # EnMAP and DESIS; Planet; Copernicus Browser
    *("[a-z]*(?:angle|zenith|azimuth)[a-z]*", "[sv][az]a"),
)
TERRAIN = ("dem", "inc_map(?:_ell)?", "ls_map", r"rtc\w*_area(?:_map)?", "lv_(?:theta|phi)")
PICTURES = ("rgb", "tci(?:_[rgb])?", "visual", "preview", "thumbnail", "quicklook", "(?:true|false)_colou?r")


def _at_end(*words: str) -> re.Pattern[str]:
    """Finds one of these words at the end of a name, or before what tells its resolution and how it was written."""
    written = r"(?:[_-]?\d+m|_clip|_cog|_\(raw\)|_)?"
    return re.compile(rf"(?:^|[^a-z0-9])(?:{'|'.join(words)}){written}$", re.IGNORECASE)


_AUXILIARY = _at_end(*CODES, *TERRAIN)
_PICTURE = _at_end(*PICTURES)
_BESIDE_BANDS = _at_end(*CODES, *PICTURES)  # in one file: heights are there because someone put them there
_NO_NAME = re.compile(r"(bands?|layer|channel|gr[ae]y|undefined)?[\s_]*\d*", re.IGNORECASE)
_WAVELENGTH = re.compile(
    r"(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>nanomet(?:er|re)s?|micromet(?:er|re)s?|microns?|nm|[uµμ]m)\b",
    re.IGNORECASE,
)
_SENTINEL_2_FILE = re.compile(r"(?:^|_)(T\d{2}[A-Z]{3}_\d{8}|S2[ABC]_|HLS\.S30)")
_SENTINEL_2_SAID = re.compile(r"(?<![a-z0-9])sentinel-2(?!\d)", re.IGNORECASE)  # as by the Copernicus Browser
_MODIS = "sur_refl_b"  # of MOD09 and its kin, whose b01 is red
_LANDSAT_LEVEL_2 = re.compile(r"(?:^|[^a-z0-9])(S[RT]_B\d{1,2})(?![a-z0-9])", re.IGNORECASE)  # of Collection 2
_LANDSAT_FILES = {
    "Landsat 8/9": re.compile(r"^(L[CO]0?[89]|HLS\.L30)"),
    "Landsat 4-7": re.compile(r"^L[TE]0?[4-7]"),
}


@dataclass(frozen=True)
class BandText:
    """What a file says about one of its bands.

    Attributes
    ----------
    stem : str
        Name of the file without its suffix.
    alone : bool
        Whether it is the only band of its file, so that the file's name speaks for it.
    description : str
    wavelength_nm : float, optional
    """

    stem: str
    alone: bool
    description: str = ""
    wavelength_nm: float | None = None


def file_tags(dataset: DatasetReader) -> dict[str, str]:
    """What an open raster says of all its bands; to be read once, as there may be tags by the thousand."""
    return _plain_keys(dataset.tags() | dataset.tags(ns="ENVI"))


def band_text(dataset: DatasetReader, index: int, whole: Mapping[str, str] | None = None) -> BandText:
    """What an open raster says about its band ``index`` (from 1); ``whole`` is its :func:`file_tags`, if at hand."""
    whole = file_tags(dataset) if whole is None else whole
    description = dataset.descriptions[index - 1] or ""
    return BandText(Path(dataset.name).stem, dataset.count == 1, description, _wavelength_nm(dataset, index, whole))


def band_names(texts: Sequence[BandText]) -> list[str]:
    """One name for each band of an image.

    Descriptions count when all differ and say something; else the names of single-band files; else bands
    are numbered. Names that hold a band number or a polarisation are cut down to it: ``B02`` for
    Sentinel-2, ``B2`` for Landsat, ``VV``.
    """
    labels = _labels(texts)
    words = [band_word(label) for label in labels]
    if None in words or len(set(words)) < len(words):
        return labels
    style = "{:02d}" if sensor_of(texts) == "Sentinel-2" else "{:d}"
    return [_restyled(word, style) for word in words if word is not None]


def sensor_of(texts: Sequence[BandText]) -> str | None:
    """A key of ``SENSORS`` or None: by names of bands and files, never by their number."""
    labels = _labels(texts)
    if any(_MODIS in label.casefold() for label in labels):
        return None
    words = [band_word(label) or "" for label in labels]
    files = (sensor for sensor, file in _LANDSAT_FILES.items() if any(file.search(text.stem) for text in texts))
    level_2 = {match[1].upper() for label in labels if (match := _LANDSAT_LEVEL_2.search(label))}
    landsat = next(files, None) or _landsat_of(level_2)
    if landsat or level_2:
        numbers = {_restyled(word, "{:d}") for word in words}
        return landsat if landsat and numbers <= set(SENSORS[landsat]) else None
    if not {_restyled(word, "{:02d}") for word in words} <= set(SENTINEL_2):
        return None
    named_so = any(word in ("B8A", "B12") or word.startswith("B0") for word in words)
    said = any(is_sentinel_2_file(text.stem) or _SENTINEL_2_SAID.search(text.stem) for text in texts)
    return "Sentinel-2" if named_so or said else None


def band_wavelengths_nm(texts: Sequence[BandText]) -> list[float | None]:
    """The centre wavelength of each band: as the file says, else as its sensor is known to have it."""
    sensor = sensor_of(texts)
    known = SENSORS[sensor] if sensor else {}
    return [text.wavelength_nm or known.get(name) for text, name in zip(texts, band_names(texts), strict=True)]


def bad_bands(whole: Mapping[str, str], count: int) -> frozenset[int]:
    """Numbers, from 1, of the bands that a header of ENVI calls bad: 0 in ``bbl``, which lists every band."""
    listed = whole.get("bbl", "").strip("{} ").split(",")
    return frozenset(i for i, good in enumerate(listed, 1) if _is_zero(good)) if len(listed) == count else frozenset()


def is_sentinel_2_file(stem: str) -> bool:
    """Whether a file is named as those of a Sentinel-2 product are."""
    return _SENTINEL_2_FILE.search(stem) is not None


def is_product_file(stem: str) -> bool:
    """Whether a file is named as those of a Sentinel-2, Landsat or HLS product are, one for each band or mask."""
    return is_sentinel_2_file(stem) or any(file.search(stem) for file in _LANDSAT_FILES.values())


def beside_bands(texts: Sequence[BandText]) -> list[bool]:
    """Which bands of one file are none by their descriptions: masks, codes, angles or pictures.

    Not one unless the descriptions of others name two bands or colours, or a polarisation.
    """
    beside = [text.wavelength_nm is None and _BESIDE_BANDS.search(text.description) is not None for text in texts]
    others = [text.description for text, aside in zip(texts, beside, strict=True) if not aside]
    radar = any(band_word(other) in POLARISATIONS for other in others)
    return beside if radar or len(set(filter(names_light, others))) > 1 else [False] * len(texts)


def is_spectral(text: BandText) -> bool:
    """Whether the description of a band, or a wavelength, says what light it holds."""
    return text.wavelength_nm is not None or names_light(text.description)


def names_light(label: str) -> bool:
    """Whether a label names a band, a polarisation or a colour: ``B8A``, ``VV``, ``near infrared``."""
    return band_word(label) is not None or _SPECTRAL_WORD.search(label) is not None


def is_auxiliary(stem: str) -> bool:
    """Whether a file is named as those that come beside bands and hold none."""
    return _AUXILIARY.search(stem) is not None


def is_picture_file(stem: str) -> bool:
    """Whether a file is named as those that show bands in colours, to be looked at."""
    return _PICTURE.search(stem) is not None


def is_water_vapour(wavelength_nm: float | None) -> bool:
    """Whether the air is opaque at this wavelength, so that a band there shows no ground.

    True for the noisy bands of imaging spectrometers and for the cirrus bands (Sentinel-2 B10, Landsat
    B9). False for Sentinel-2 B09 at 945 nm: its absorption is partial and the ground shines through.
    """
    return wavelength_nm is not None and any(low <= wavelength_nm <= high for low, high in WATER_VAPOUR_NM)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts B1, B2, B8, B8A, B9, B10 in this order."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _labels(texts: Sequence[BandText]) -> list[str]:
    described = [_WAVELENGTH.sub("", text.description).strip(" ()") for text in texts]
    if len(set(described)) == len(texts) and not any(_NO_NAME.fullmatch(label) for label in described):
        return described
    if all(text.alone for text in texts) and (len(texts) > 1 or band_word(texts[0].stem)):
        return [text.stem for text in texts]
    return [f"band {index}" for index in range(1, len(texts) + 1)]


def band_word(label: str) -> str | None:
    """The last word in a label that names a band: ``T43RCP_20200604T054639_B8A_20m`` -> ``B8A``."""
    words = _BAND_WORD.findall(label)
    return words[-1].upper() if words else None


def _landsat_of(level_2: Set[str]) -> str | None:
    """Which Landsat has these bands; None where more than one may have them, as a choice of bands without the sixth."""
    if level_2 & {"SR_B6", "ST_B10"}:
        return "Landsat 8/9"
    return "Landsat 4-7" if "ST_B6" in level_2 or {"SR_B1", "SR_B5", "SR_B7"} <= level_2 else None


def _restyled(word: str, style: str) -> str:
    """``B2`` as ``B02`` or the reverse; ``B8A`` and ``VV`` as they are."""
    number = re.fullmatch(r"B(\d+)", word)
    return "B" + style.format(int(number[1])) if number else word.replace("B08A", "B8A")


def _wavelength_nm(dataset: DatasetReader, index: int, whole: Mapping[str, str]) -> float | None:
    imagery = _plain_keys(dataset.tags(index, ns="IMAGERY"))
    band = _plain_keys(dataset.tags(index))
    unit = band.get("wavelength_units") or whole.get("wavelength_units", "")
    listed = whole.get("wavelength", "").strip("{} ").split(",")
    described = _WAVELENGTH.search(dataset.descriptions[index - 1] or "")
    candidates = [
        (band.get("wavelength"), unit),
        (listed[index - 1] if len(listed) == dataset.count else None, unit),
        # After the others, because GDAL rounds it to whole nanometres.
        (imagery.get("central_wavelength_um") or band.get("central_wavelength_um"), "um"),
        (described["value"], described["unit"]) if described else (None, ""),
    ]
    return next((nm for text, unit in candidates if (nm := _in_nm(text, unit)) is not None), None)


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False


def _in_nm(text: str | None, unit: str) -> float | None:
    """A wavelength as text in nm; without a known unit, below 100 it must be µm."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    if not (math.isfinite(value) and value > 0):
        return None
    unit = unit.strip().lower()
    if unit.startswith(("micro", "um", "µm", "μm")):
        return 1000 * value
    if unit.startswith(("nano", "nm")):
        return value
    return 1000 * value if value < 100 else value


def _plain_keys(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower().replace(" ", "_"): value for key, value in tags.items()}
