"""Rasters, vector files and grids, as GDAL and PROJ know them.

=============  ================================================================
gdal_env       GDAL's drivers and settings
crs, grid      coordinate reference systems; where pixels lie
raster         opening rasters; raster_checks before that, gcps where points place them
cog            writing cloud-optimised GeoTIFFs and reading them back
resampling     values of one grid on another
vector         features of vector files; vector_worker reads them in a process with limits
=============  ================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
