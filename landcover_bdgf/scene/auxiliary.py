"""Names of auxiliary layers: classes, masks, angles, terrain and pictures, which are no bands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from landcover_bdgf.scene.bands import POLARISATIONS, BandText, band_word, names_a_band, undated

# Auxiliary layers of products: classes, masks, angles, elevation, pictures. As bands, they would hide the sensor and
# would not transfer to other scenes. The word is at the end of the name: area1_B02 is a band.
CODES = (
    *("scl", "aot", "wvp", "cld", "snw", "cldprb", "snwprb", "bqa", r"qa_?(?:pixel|radsat|aerosol|\d+)", "[a-z]*mask"),
    *("msk_[a-z_]+", "st_(?:atran|cdist|drad|emis|emsd|qa|trad|urad)", "sr_(?:atmos_opacity|cloud_qa)"),
    *(r"ql_[a-z_]+(?:-\d+)?", "udm2?", "scene_classification_map"),  # EnMAP and DESIS; Planet; Copernicus Browser
    *("[a-z]*(?:angle|zenith|azimuth)[a-z]*", "[sv][az]a"),
    *("qa", "quality", "nesz", "uncertainty", "noise", "id", "np", "cs", "cs_cdf"),  # cs: Cloud Score+
    *("[a-z]*clouds?_?(?:prob(?:ability)?|score|shadow)?", "(?:[a-z]*_?)?prob(?:ability)?", "fmask", "cl[mp]", "snow"),
    *("confidence", "conf_[a-z]+", "doy", "observations", "n_?obs"),
)
TERRAIN = ("dem", "inc_map(?:_ell)?", "ls_map", r"rtc\w*_area(?:_map)?", "lv_(?:theta|phi)")
PICTURES = ("rgb", "tci(?:_[rgb])?", "visual", "preview", "thumbnail", "quicklook", "(?:true|false)_colou?r")


def _at_end(*words: str) -> re.Pattern[str]:
    """Match one of these words at the end of a name; a resolution or a suffix such as ``_clip`` may follow it."""
    suffix = r"(?:[_-]?\d+m|_clip|_cog|_\(raw\)|_)?"
    return re.compile(rf"(?:^|[^a-z0-9])(?:{'|'.join(words)}){suffix}$", re.IGNORECASE)


_AUXILIARY = _at_end(*CODES, *TERRAIN)
_PICTURE = _at_end(*PICTURES)
_CLASSIFICATION = _at_end("scl", "scene_classification(?:_map)?")
_AUXILIARY_BAND = _at_end(*CODES, *PICTURES)  # not terrain: a user who stacks it with bands wants to use it


def auxiliary_bands(texts: Sequence[BandText]) -> list[bool]:
    """Which bands of one file are masks, codes, angles or pictures by their descriptions.

    None is, unless the other descriptions name two bands or colours, or a polarisation.
    """
    auxiliary = [
        text.wavelength_nm is None and _AUXILIARY_BAND.search(undated(text.description)) is not None for text in texts
    ]
    others = [text.description for text, found in zip(texts, auxiliary, strict=True) if not found]
    radar = any(band_word(other) in POLARISATIONS for other in others)
    return auxiliary if radar or len(set(filter(names_a_band, others))) > 1 else [False] * len(texts)


def is_auxiliary(stem: str) -> bool:
    """Whether a file is an auxiliary layer (classes, mask, angles, terrain) by its name."""
    return _AUXILIARY.search(undated(stem)) is not None


def is_scene_classification(name: str) -> bool:
    """Whether a file or band is a scene classification of Sentinel-2 (SCL) by its name."""
    return _CLASSIFICATION.search(undated(name)) is not None


def is_picture_file(stem: str) -> bool:
    """Whether a file is a colour picture of the bands by its name."""
    return _PICTURE.search(undated(stem)) is not None
