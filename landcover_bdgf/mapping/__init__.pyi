from .journal import read_journal as read_journal
from .memory import parse_size as parse_size
from .mosaicking import mosaic as mosaic
from .scene_map import (
    MapSettings as MapSettings,
    check_map_space as check_map_space,
    map_product as map_product,
    map_scene as map_scene,
)
