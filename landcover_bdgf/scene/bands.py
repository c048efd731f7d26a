"""Band names and wavelengths, from descriptions, tags, headers and file names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from rasterio.io import DatasetReader

# Centre wavelengths in nm. Sentinel-2A MSI: ESA, Sentinel-2 spectral response functions (S2-SRF).
SENTINEL_2: Mapping[str, float] = {
    "B01": 442.7, "B02": 492.4, "B03": 559.8, "B04": 664.6, "B05": 704.1, "B06": 740.5, "B07": 782.8, "B08": 832.8,
    "B8A": 864.7, "B09": 945.1, "B10": 1373.5, "B11": 1613.7, "B12": 2202.4,
}  # fmt: skip
# Centres of the OLI and TIRS band passes: USGS, Landsat 8 Data Users Handbook, table 2-1.
LANDSAT_8_9: Mapping[str, float] = {
    "B1": 443.0, "B2": 482.0, "B3": 561.5, "B4": 654.5, "B5": 865.0, "B6": 1608.5, "B7": 2200.5, "B8": 589.5,
    "B9": 1373.5, "B10": 10895.0, "B11": 12005.0,
}  # fmt: skip
# Centres of the TM and ETM+ band passes: USGS, Landsat 7 Data Users Handbook, table 2-1.
LANDSAT_4_7: Mapping[str, float] = {
    "B1": 485.0, "B2": 560.0, "B3": 660.0, "B4": 835.0, "B5": 1650.0, "B6": 11450.0, "B7": 2215.0, "B8": 710.0,
}  # fmt: skip
# Bands of Sentinel-2 by colour, as asset keys of STAC catalogues and FORCE name them; no other has three red edges.
_RED_EDGES = {"rededge1": "B05", "rededge2": "B06", "rededge3": "B07"}
_COLOURS = _RED_EDGES | {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "broadnir": "B08", "nir": "B08", "nir08": "B8A",
    "nir09": "B09", "swir1": "B11", "swir16": "B11", "swir2": "B12", "swir22": "B12",
}  # fmt: skip
SENSORS = {"Sentinel-2": SENTINEL_2, "Landsat 8/9": LANDSAT_8_9, "Landsat 4-7": LANDSAT_4_7}

# Ranges in nm in which water vapour absorbs nearly all light from the ground: near 1380 and 1880 (Gao and Goetz
# 1990, doi:10.1029/JD095iD04p03549), and above 2450, where solar irradiance is low too. The last range ends below
# the thermal bands.
WATER_VAPOUR_NM = ((1340.0, 1460.0), (1790.0, 1960.0), (2450.0, 3000.0))

UNNAMED = "band "  # and its number: the name that a band without one is given
POLARISATIONS = ("VV", "VH", "HH", "HV")

_BAND_WORD = re.compile(r"(?:^|[^a-z0-9])(B\d{1,2}A?|VV|VH|HV|HH)(?![a-z0-9])", re.IGNORECASE)
# What is computed from bands: indices, ratios, statistics. Such a name contains band words, but names no band.
_COMPUTED = re.compile(
    r"[/*]|(?<![a-z])(?:[gmrb]?nd[a-z]{1,2}[i]?\d*|[a-z]{0,5}vi\d?|bsi|[mt]?cari\d?|lswi|gemi|vari|sipi\d?|awei[a-z]*|"
    r"psri|pssr[abc]?|ireci|mtci|s2rep|reip|a?cri\d?|gci|ci[_-]?(?:re|red[_-]?edge|g|green)|nbr2?|rfdi|"
    r"lai|fapar|fcover|[a-z]*ratio|div(?:ided)?|minus|plus|diff(?:erence)?|std(?:ev|dev)?|var(?:iance)?|"
    r"entropy|texture|glcm[a-z]*|dissimilarity|homogeneity|coh(?:erence)?|phase|pvd|msk_[a-z]+)(?![a-z])|"
    r"(?:^|[^a-z])b_[a-z_]+(?=_b\d)|zenith|azimuth|"  # SNAP: B_saturated_B2, view_zenith_B2
    r"[-_ .](?:contrast|diss|asm|idm|inertia|shade|prom|[sd]var|[sd]?ent|savg|(?:im|max)corr\d?|range|iqr|mad|sd|cv|"
    r"skew(?:ness)?|kurt(?:osis)?|n?obs|count|slope|trend|amplitude|anomal(?:y|ies)|z-?score|gradient|sobel)$",
    re.IGNORECASE,
)
# Of SAR only: texture (as SNAP and Earth Engine name it), decompositions, complex parts, angles, statistics in time.
# "VV_noise_removed" is an intensity.
_NO_INTENSITY = re.compile(
    r"(?<![a-z])(?:contrast|dissimilarity|diss|homogeneity|asm|idm|energy|inertia|shade|prom|[sd]var|[sd]?ent|savg|"
    r"(?:im|max)?corr\d?|correlation|alpha|anisotropy|(?<!.)h(?!.)|cc|i|q|re|im|real|imag(?:inary)?|"
    r"[a-z]*(?:angle|incidence|theta)[a-z]*|lia|inc|mask|layover|shadow|nesz|noise|count|nobs|doy|trend|slope|cv|iqr|"
    r"skew(?:ness)?|kurt(?:osis)?|ifg|unw(?:rapped)?|los|displacement)"
    r"(?![a-z])(?![-_ ](?:correct|norm|remov|free|flat|subtract))",
    re.IGNORECASE,
)
_DECIBELS = re.compile(r"10\s*\*\s*log_?(?:10)?(?![a-z])", re.IGNORECASE)
_COMPLEX_PART = re.compile(r"(?<![a-z])(?:i|q|re|im|real|imag(?:inary)?)(?![a-z])", re.IGNORECASE)
_AMPLITUDE = re.compile(r"(?<![a-z])amp(?:litude)?(?![a-z])", re.IGNORECASE)
# 20230604, 2023-06-04T10:50:31, 04062023, 04Jun2023, 2023155, 2023-06, 2023. R puts an X before numbers.
_DATE = re.compile(
    r"(?<![0-9a-z])x?(?:(?:19|20)\d{2}(?P<mark>[-_.]?)\d{2}(?P=mark)\d{2}(?:[t_ ]?\d{2}:?\d{2}:?\d{2}z?)?|"
    r"\d{2}(?P<other>[-_.]?)(?:\d{2}|[a-z]{3})(?P=other)(?:19|20)\d{2}|(?:19|20)\d{2}[0-3]\d{2}|"
    r"(?:19|20)\d{2}[-_]?(?:0[1-9]|1[0-2]))(?![0-9a-z]|\.\d|[ _]?(?:nm|nanometers?)\b)",  # 1952.4 nm is no date
    re.IGNORECASE,
)
_SERIES = re.compile(
    r"(?<![a-z])(?:sigma|gamma|beta)_?(?:0|nought)|(?<![a-z])(?:asc|desc)(?:ending)?(?![a-z])", re.IGNORECASE
)
_RESOLUTION = re.compile(r"(?<![a-z0-9])r?\d+m(?![a-z0-9])", re.IGNORECASE)
_SPECTRAL_WORD = re.compile(
    r"(?<![a-z])(?:blue|green|red|coastal|pan|v?nir|swir|tir|red[ _-]?edge)(?![a-z])|infra[ _-]?red", re.IGNORECASE
)
_NO_NAME = re.compile(r"(bands?|layer|channel|gr[ae]y|undefined)?[\s_]*\d*", re.IGNORECASE)
_WAVELENGTH = re.compile(
    r"(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>nanomet(?:er|re)s?|micromet(?:er|re)s?|microns?|nm|[uµμ]m)\b", re.IGNORECASE
)
_SENTINEL_2_FILE = re.compile(r"(?:^|_)(T\d{2}[A-Z]{3}_\d{8}|S2[ABC]_|HLS\.S30)")
_SENTINEL_2_WORD = re.compile(r"(?<![a-z0-9])sentinel-2(?!\d)", re.IGNORECASE)  # file names of the Copernicus Browser
_MODIS = "sur_refl_b"  # MOD09 and related products, whose b01 is red
# Other sensors with bands B1, B2 ... in names of files or bands; Landsat next to Sentinel-2 too.
_OTHER_SENSOR = re.compile(
    r"(?<![a-z0-9])(?:l[cote]?0?[4-9]|landsat[-_ ]?\d?|hls\.l30|oli|etm|venus|aster|ast_l1|modis|m[oy]d\d+[a-z0-9]*|"
    r"viirs|wv-?0?\d|worldview[-_]?\d?|geoeye\d?|gf\d|cbers|prisma|prs|enmap|desis|hyperion|eo1|emit|aviris|olci|"
    r"s3[ab]?|spot-?\d?|ple[iï]ades|planet(?:scope)?|skysat|rapideye|proba)(?![a-z0-9])",
    re.IGNORECASE,
)
_OTHER_BAND = re.compile(r"(?:^|[^a-z0-9])B\d{1,2}[B-Z](?![a-z0-9])", re.IGNORECASE)  # ASTER B3N
_LANDSAT_LEVEL_2 = re.compile(r"(?:^|[^a-z0-9])(S[RT]_B\d{1,2})(?![a-z0-9])", re.IGNORECASE)  # Collection 2
_LANDSAT_FILES = {"Landsat 8/9": re.compile(r"^(L[CO]0?[89]|HLS\.L30)"), "Landsat 4-7": re.compile(r"^L[TE]0?[4-7]")}


# Units of ENVI headers, by how they begin.
_TO_NM: tuple[tuple[tuple[str, ...], Callable[[float], float]], ...] = (
    (("micro", "um", "µm", "μm"), lambda value: 1e3 * value),
    (("nano", "nm"), lambda value: value),
    (("angstrom", "å"), lambda value: value / 10),
    (("milli", "mm"), lambda value: 1e6 * value),
    (("ghz", "gigahertz"), lambda value: 299_792_458 / value),
    (("thz", "terahertz"), lambda value: 299_792.458 / value),
    (("ev", "electronvolt", "electron volt"), lambda value: 1239.842 / value),
    (("wavenumber", "cm-1", "cm^-1", "1/cm", "reciprocal cent", "inverse cent", "kayser"), lambda value: 1e7 / value),
    (("cm", "centi"), lambda value: 1e7 * value),
    (("m ", "meter", "metre"), lambda value: 1e9 * value),
)
_WAVELENGTHS_NM = 100, 100_000  # ultraviolet to thermal infrared


@dataclass(frozen=True)
class BandText:
    """Name and wavelength of a band as stated in its file."""

    stem: str  # file name without suffix
    alone: bool  # the only band of its file, so that the file name can name it
    description: str = ""
    wavelength_nm: float | None = None


def file_tags(dataset: DatasetReader) -> dict[str, str]:
    """Tags of an open raster that apply to all bands. Read them once: some files have thousands."""
    return _plain_keys(dataset.tags() | dataset.tags(ns="ENVI"))


def band_text(dataset: DatasetReader, index: int, tags: Mapping[str, str] | None = None) -> BandText:
    """Texts of band ``index`` (from 1) of an open raster; ``tags`` are its :func:`file_tags`, if already read."""
    tags = file_tags(dataset) if tags is None else tags
    description = dataset.descriptions[index - 1] or ""
    return BandText(Path(dataset.name).stem, dataset.count == 1, description, _wavelength_nm(dataset, index, tags))


def band_names(texts: Sequence[BandText]) -> list[str]:
    """One name for each band of an image.

    Descriptions are used if they are unique and meaningful, else the names of single-band files, else numbers. A name
    that contains one band number or one polarisation is shortened to it: ``B02`` for Sentinel-2, ``B2`` for Landsat,
    ``VV``; others, and amplitudes, lose their date. Names that would be the same then, as of two dates, stay.
    """
    labels = _labels(texts)
    style = "{:02d}" if sensor_of(texts) == "Sentinel-2" else "{:d}"
    words = words_of(labels)
    words = [None if word and names_amplitude(label) else word for word, label in zip(words, labels, strict=True)]
    short = [_restyled(word, style) if word else undated(label) for word, label in zip(words, labels, strict=True)]
    return [name if short.count(name) == 1 else label for name, label in zip(short, labels, strict=True)]


def band_words(texts: Sequence[BandText]) -> list[str | None]:
    """What :func:`words_of` finds in the names of the bands of an image."""
    return words_of(_labels(texts))


def sensor_of(texts: Sequence[BandText]) -> str | None:
    """The sensor, a key of ``SENSORS``, by names of bands and files, never by the number of bands; None if unknown.

    Bands with other names, such as an index, do not count.
    """
    labels = _labels(texts)
    if any(_by_colour(labels)):
        return "Sentinel-2"
    named = [(label, word) for label, word in zip(labels, words_of(labels), strict=True) if word]
    words = [word for _, word in named if word not in POLARISATIONS]
    if not words or any(_MODIS in label.casefold() for label in labels):
        return None
    files = (sensor for sensor, file in _LANDSAT_FILES.items() if any(file.search(text.stem) for text in texts))
    level_2 = {match[1].upper() for label, _ in named if (match := _LANDSAT_LEVEL_2.search(label))}
    landsat = next(files, None) or _landsat_of(level_2)
    if landsat or level_2:
        numbers = {_restyled(word, "{:d}") for word in words}
        return landsat if landsat and numbers <= set(SENSORS[landsat]) else None
    numbers = {_restyled(word, "{:02d}") for word in words}
    if not numbers <= set(SENTINEL_2) or numbers == set(SENTINEL_2) - {"B8A"}:  # the first 12 of many bands
        return None
    if any(_OTHER_SENSOR.search(each) for each in [*labels, texts[0].stem]) or any(map(_OTHER_BAND.search, labels)):
        return None
    by_band = any(word in ("B8A", "B12") or word.startswith("B0") for word in words)
    by_file = any(is_sentinel_2_file(text.stem) or _SENTINEL_2_WORD.search(text.stem) for text in texts)
    return "Sentinel-2" if by_band or by_file else None


def band_wavelengths_nm(texts: Sequence[BandText]) -> list[float | None]:
    """The centre wavelength of each band: from its file, else that of a known sensor."""
    sensor = sensor_of(texts)
    known = SENSORS[sensor] if sensor else {}
    style = "{:02d}" if sensor == "Sentinel-2" else "{:d}"
    words = [word and _restyled(word, style) for word in band_words(texts)]  # the same for each date of a band
    words = [colour or word for colour, word in zip(_by_colour(_labels(texts)), words, strict=True)]
    return [text.wavelength_nm or known.get(word or "") for text, word in zip(texts, words, strict=True)]


def bad_bands(tags: Mapping[str, str], count: int) -> frozenset[int]:
    """Numbers, from 1, of the bands that an ENVI header marks as bad: 0 in ``bbl``, which lists every band."""
    listed = tags.get("bbl", "").strip("{} ").split(",")
    return (
        frozenset(i for i, good in enumerate(listed, 1) if _number(good) == 0) if len(listed) == count else frozenset()
    )


def is_sentinel_2_file(stem: str) -> bool:
    """Whether a file name follows the pattern of Sentinel-2 products."""
    return _SENTINEL_2_FILE.search(stem) is not None


def is_product_file(stem: str) -> bool:
    """Whether a file name follows the pattern of Sentinel-2, Landsat or HLS products: one file per band or mask."""
    return is_sentinel_2_file(stem) or any(file.search(stem) for file in _LANDSAT_FILES.values())


def is_spectral(text: BandText) -> bool:
    """Whether a band has a wavelength, or a description that names a band or a colour."""
    return text.wavelength_nm is not None or names_a_band(text.description)


def names_a_band(label: str) -> bool:
    """Whether a label names a band, a polarisation or a colour: ``B8A``, ``VV``, ``near infrared``."""
    colour = _SPECTRAL_WORD.search(label) is not None and _COMPUTED.search(label) is None
    return colour or band_word(label) is not None


def names_polarisation(label: str) -> bool:
    """Whether a label names one polarisation: ``VV``, ``Gamma0_VH_20230604``; not ``VV/VH``."""
    return band_word(label) in POLARISATIONS


def names_no_intensity(label: str) -> bool:
    """Whether a label names what is no SAR intensity: ``coherence``, ``VV/VH``, ``VV_contrast``, ``theta``."""
    return _COMPUTED.search(label) is not None or _NO_INTENSITY.search(label) is not None


def names_complex_part(label: str) -> bool:
    """Whether a label names the real or imaginary part of a complex number: ``i_VV``, ``C12_imag``."""
    return _COMPLEX_PART.search(label) is not None


def names_amplitude(label: str) -> bool:
    """Whether a label names an amplitude, the root of an intensity: ``Amplitude_VV``."""
    return _AMPLITUDE.search(label) is not None


def undated(label: str) -> str:
    """A label without its date: ``20230604_NDVI`` -> ``NDVI``; a label that is a date stays."""
    return re.sub(r"[-_ ]{2,}", "_", _DATE.sub("", label)).strip("-_ ") or label


def is_water_vapour(wavelength_nm: float | None) -> bool:
    """Whether the atmosphere is opaque at this wavelength, so that a band does not show the ground.

    True for the cirrus bands (Sentinel-2 B10, Landsat B9). False for Sentinel-2 B09 at 945 nm: absorption is partial.
    """
    return wavelength_nm is not None and any(low <= wavelength_nm <= high for low, high in WATER_VAPOUR_NM)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key for natural order: B1, B2, B8, B8A, B9, B10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _labels(texts: Sequence[BandText]) -> list[str]:
    described = [re.sub(r"\(\s*\)", "", _WAVELENGTH.sub("", text.description)).strip() for text in texts]
    meaningful = not any(_NO_NAME.fullmatch(label) for label in described)
    if meaningful and len(set(described)) == len(texts):
        return described
    if all(text.alone for text in texts) and (len(texts) > 1 or band_word(texts[0].stem)):
        return [text.stem for text in texts]
    if meaningful and len(set(described)) > 1:
        return _numbered(described)
    return [f"{UNNAMED}{index}" for index in range(1, len(texts) + 1)]


def _numbered(labels: Sequence[str]) -> list[str]:
    """Labels, with a number for those that occurred before: ``B04``, ``B04 (2)``."""
    seen = Counter[str]()
    numbered = []
    for label in labels:
        seen[label] += 1
        numbered.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return numbered


def band_word(label: str) -> str | None:
    """The band that a label names: ``T43RCP_20200604T054639_B8A_20m`` -> ``B8A``.

    None if it names no band, or several, or what is computed from bands: ``VV/VH``, ``NDVI_B8_B4``.
    """
    label = _DECIBELS.sub("", label)
    words = {word.upper() for word in _BAND_WORD.findall(label)}
    computed = _COMPUTED.search(label) or (words & set(POLARISATIONS) and _NO_INTENSITY.search(label))
    return words.pop() if len(words) == 1 and not computed else None


def words_of(labels: Sequence[str]) -> list[str | None]:
    """The band that each of the labels of an image names, as :func:`band_word`.

    None also for what is computed from a band in a way that no list of words holds: where several labels name one band,
    those count whose other words occur with most bands. Of ``B2``, ``B4``, ``B8``, ``B8_tasselled``, the last does not.
    """
    words = [(word := band_word(label)) and _restyled(word, "{:d}") for label in labels]
    around = [_around(label) for label in labels]
    bands: dict[str, set[str]] = {rest: set() for rest in around}
    for word, rest in zip(words, around, strict=True):
        bands[rest] |= {word} if word else set()
    most = max(map(len, bands.values()), default=0)
    usual = {rest for rest, named in bands.items() if 2 * len(named) > most}
    known = {word for word, rest in zip(words, around, strict=True) if rest in usual}
    return [
        band_word(label) if rest in usual or word not in known else None
        for label, word, rest in zip(labels, words, around, strict=True)
    ]


def _by_colour(labels: Sequence[str]) -> list[str | None]:
    """The bands of Sentinel-2 that labels name by colour; None for all without its three red edges."""
    colours = [re.sub(r"[^a-z0-9]", "", undated(label).casefold()) for label in labels]
    if not _RED_EDGES.keys() <= set(colours):
        return [None] * len(labels)
    known = _COLOURS | ({"nir": "B8A"} if "broadnir" in colours else {})
    return [known.get(colour) for colour in colours]


def _around(label: str) -> str:
    """The words of a label other than its band, colour, date, resolution, orbit and radiometry."""
    for known in (_DATE, _BAND_WORD, _SPECTRAL_WORD, _RESOLUTION, _SERIES):
        label = known.sub("_", label)
    return re.sub(r"[\W\d_]+", "", label).casefold()


def _landsat_of(level_2: Set[str]) -> str | None:
    """The Landsat generation with these Level-2 bands; None if several have them, as a selection without band 6."""
    if level_2 & {"SR_B6", "ST_B10"}:
        return "Landsat 8/9"
    return "Landsat 4-7" if "ST_B6" in level_2 or {"SR_B1", "SR_B5", "SR_B7"} <= level_2 else None


def _restyled(word: str, style: str) -> str:
    """``B2`` as ``B02`` or the reverse; ``B8A`` and ``VV`` unchanged."""
    number = re.fullmatch(r"B(\d+)", word)
    return "B" + style.format(int(number[1])) if number else word.replace("B08A", "B8A")


def _wavelength_nm(dataset: DatasetReader, index: int, tags: Mapping[str, str]) -> float | None:
    imagery = _plain_keys(dataset.tags(index, ns="IMAGERY"))
    band = _plain_keys(dataset.tags(index))
    unit = band.get("wavelength_units") or tags.get("wavelength_units", "")
    listed = tags.get("wavelength", "").strip("{} ").split(",")
    described = _WAVELENGTH.search(dataset.descriptions[index - 1] or "")
    candidates = [
        (band.get("wavelength"), unit),
        (listed[index - 1] if len(listed) == dataset.count else None, unit),
        # After the others, because GDAL rounds it to whole nanometres.
        (imagery.get("central_wavelength_um") or band.get("central_wavelength_um"), "um"),
        (described["value"], described["unit"]) if described else (None, ""),
    ]
    # A program that has no wavelengths may write the number of the band, without a unit.
    known = ((text, unit) for text, unit in candidates if _number(text) != index or _conversion(unit))
    return next((nm for text, unit in known if (nm := _in_nm(text, unit)) is not None), None)


def _number(text: str | None) -> float:
    """The number in a text, else NaN."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _in_nm(text: str | None, unit: str) -> float | None:
    """A wavelength, given as text, in nm; None for a unit of something else, and for what no unit makes a wavelength.

    Without a known unit, and where the unit is impossible, values below 100 are in µm.
    """
    value = _number(text)
    if not (math.isfinite(value) and value > 0) or unit.strip().lower().startswith(("index", "band")):
        return None
    to_nm = _conversion(unit)
    found = [to_nm(value)] if to_nm else []
    least, most = _WAVELENGTHS_NM
    return next((nm for nm in (*found, 1000 * value if value < 100 else value) if least <= nm <= most), None)


def _conversion(unit: str) -> Callable[[float], float] | None:
    """Conversion of a unit to nm; None if it is not known."""
    return next((to_nm for words, to_nm in _TO_NM if f"{unit.strip().lower()} ".startswith(words)), None)


def _plain_keys(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower().replace(" ", "_"): value for key, value in tags.items()}
