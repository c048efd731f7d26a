"""Step: map, and the mosaic of maps made in parts.

===========  ==================================================================
settings     how a map is made
scene_map    step: a class for every pixel
partial_map  the folder of a map that is not finished yet
mosaicking   one map out of finished parts
memory       tiles and threads that fit
===========  ==================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
