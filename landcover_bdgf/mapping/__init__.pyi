from .dask_cluster import check_workers as check_workers, opened_client as opened_client
from .many_scenes import map_scenes as map_scenes
from .map_checks import check_map as check_map
from .map_outputs import map_product as map_product, part_path as part_path
from .memory import parse_size as parse_size
from .model_item import write_model_item as write_model_item
from .mosaicking import mosaic as mosaic
from .partial_map import check_partial as check_partial, read_partial as read_partial
from .polygonizing import polygons as polygons, polygons_product as polygons_product
from .scene_map import (
    is_map_of as is_map_of,
    map_scene as map_scene,
)
from .scene_outputs import check_scene_maps as check_scene_maps, summary_path as summary_path
from .scene_results import SceneResult as SceneResult, result_lines as result_lines
from .settings import (
    DaskSettings as DaskSettings,
    MapSettings as MapSettings,
    MosaicSettings as MosaicSettings,
    PolygonSettings as PolygonSettings,
    SieveSettings as SieveSettings,
)
from .sieving import sieve as sieve
from .stac_item import model_item_path as model_item_path
