from .alignment import align as align, open_again as open_again
from .area import LATTICE_PX as LATTICE_PX
from .band_reader import ReadCounts as ReadCounts
from .bands import SENTINEL_2 as SENTINEL_2
from .conditions import (
    ALONE as ALONE,
    BOTH as BOTH,
    CONDITIONS as CONDITIONS,
    SENSOR_NAMES as SENSOR_NAMES,
    accepted as accepted,
    seen_by as seen_by,
)
from .dated_image import open_dated as open_dated
from .dated_names import band_and_day as band_and_day, dated_name as dated_name, days_of as days_of
from .extra import extra_sources as extra_sources
from .image import Image as Image, open_image as open_image
from .mask import mask_path as mask_path
from .pair_checks import date_of as date_of, most_complete as most_complete
from .scene_source import KnownFile as KnownFile, SceneSource as SceneSource
from .scene_table import (
    SceneRow as SceneRow,
    check_pairs as check_pairs,
    is_scene_table as is_scene_table,
    read_scene_table as read_scene_table,
)
from .settings import NO_IMAGE as NO_IMAGE, AlignSettings as AlignSettings, Missing as Missing, Sensor as Sensor
from .simulation import (
    COVERS as COVERS,
    draw_parcels as draw_parcels,
    observed_reflectance as observed_reflectance,
    simulate as simulate,
    smooth_field as smooth_field,
    speckle as speckle,
    write_pixels as write_pixels,
    write_scene as write_scene,
)
from .stack import (
    Stack as Stack,
    Tile as Tile,
    as_list as as_list,
    sar_product as sar_product,
    scene_names as scene_names,
)
from .thin_objects import THIN_PX as THIN_PX
from .value_checks import warn_of_zeros as warn_of_zeros
