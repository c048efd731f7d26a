"""Rasters, vector files and grids, based on GDAL and PROJ.

=============  ================================================================
gdal_env       GDAL's drivers and settings
crs, grid      coordinate reference systems; pixel grids; crs_beside: the CRS in a .prj or .aux.xml
common_plane   pixels of several grids on one plane
pixel_areas    areas of pixels on the ellipsoid
raster         opening rasters; raster_checks: checks of files; gcps: ground-control points; pages: bands on pages;
               hdf5_image: PRISMA and EMIT
other_formats  what a file is that is not opened
cog            writing cloud-optimised GeoTIFFs and reading them back
resampling     resampling from one grid to another
vector         features of vector files; vector_checks: their formats and parts; vector_encoding: of their text;
               vector_archive: in a zip; archive: taking files out of it; vector_worker: reading in a limited process;
               vector_pixels: geometries in pixels of a grid; geopackage: writing them
=============  ================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
