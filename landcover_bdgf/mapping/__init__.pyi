from .many_scenes import map_scenes as map_scenes
from .map_checks import check_map as check_map
from .memory import parse_size as parse_size
from .mosaicking import mosaic as mosaic
from .partial_map import check_partial as check_partial, read_partial as read_partial
from .polygonizing import polygons as polygons, polygons_product as polygons_product
from .scene_map import (
    is_map_of as is_map_of,
    map_product as map_product,
    map_scene as map_scene,
    part_path as part_path,
)
from .scene_results import SceneResult as SceneResult, result_lines as result_lines
from .settings import (
    MapSettings as MapSettings,
    PolygonSettings as PolygonSettings,
    SieveSettings as SieveSettings,
)
from .sieving import sieve as sieve
