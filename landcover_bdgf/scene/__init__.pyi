from .alignment import AlignSettings as AlignSettings, align as align
from .image import Image as Image, open_image as open_image
from .simulation import simulate as simulate, write_scene as write_scene
from .stack import Stack as Stack, Tile as Tile, sar_product as sar_product
from .value_checks import warn_of_zeros as warn_of_zeros
