from .archive import extract as extract, is_zip as is_zip, members as members, opened as opened
from .cog import RasterProfile as RasterProfile, write_raster as write_raster
from .common_plane import common_positions as common_positions, overlapping as overlapping
from .crs import known_crs as known_crs, recorded_crs as recorded_crs, same_crs as same_crs, transformer as transformer
from .gdal_env import (
    cache_bytes as cache_bytes,
    check_lock as check_lock,
    limit_cache as limit_cache,
)
from .geopackage import (
    append_layer as append_layer,
    append_style as append_style,
    geopackage_product as geopackage_product,
    has_tables as has_tables,
    writing_geopackage as writing_geopackage,
)
from .grid import (
    WGS84 as WGS84,
    Bounds as Bounds,
    Grid as Grid,
    ground_pixel_side_m as ground_pixel_side_m,
    ground_width_m as ground_width_m,
    mirrored as mirrored,
    warn_of_datum as warn_of_datum,
)
from .pixel_areas import M2_PER_HA as M2_PER_HA, PixelAreas as PixelAreas
from .raster import (
    envi_pixels as envi_pixels,
    grid_of as grid_of,
    is_south_up as is_south_up,
    open_raster as open_raster,
    read_band as read_band,
    read_bands as read_bands,
)
from .raster_checks import (
    MAX_SIDE_PX as MAX_SIDE_PX,
    block_bytes as block_bytes,
    check_packing as check_packing,
)
from .resampling import resample as resample, resolution_ratio as resolution_ratio
from .vector import (
    check_name as check_name,
    plain_name as plain_name,
    read_features as read_features,
    read_layers as read_layers,
    read_table as read_table,
    undated as undated,
)
from .vector_pixels import to_pixels as to_pixels
from .vector_worker import read_in_worker as read_in_worker
