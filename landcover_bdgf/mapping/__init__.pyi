from .memory import parse_size as parse_size
from .mosaicking import mosaic as mosaic
from .partial_map import read_partial as read_partial
from .scene_map import (
    check_map_outputs as check_map_outputs,
    map_files as map_files,
    map_scene as map_scene,
    part_path as part_path,
)
from .settings import MapSettings as MapSettings
