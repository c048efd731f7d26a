"""Scenes: the images of two sensors, and both aligned on one grid.

=====================  ========================================================
bands, auxiliary       band names and wavelengths; names of layers that are no bands
product_files          the files that hold bands
product_metadata       wavelengths and bad bands of EnMAP and DESIS
product_archive        rasters in a zip archive
arrays                 xarray DataArrays as image sources
open_files             the open files of an image
band_reader, image     raw to physical values; the image of one sensor
dated_names            names of bands at one of several dates
time_series            gaps of one date, filled from the others
csv_rows, date_table   rows of tables; a table of the dates of an image
dated_image            an image of several dates
image_text             images in words: files, bands and dates
extra                  extra layers, such as terrain or embeddings
sar                    SAR units: dB and linear power
value_checks           warnings about offsets and undeclared nodata
pair_checks            whether two images belong together
conditions             which sensors saw a pixel
area, mask             polygons of interest; pixels to leave out, such as clouds
mask_share, pixel_set  masked share of pixels; a set of pixels as bits
shift                  estimated shift between SAR and spectral image
settings               settings of align
scene_source           how a scene was opened, for another process
scene_table            many scenes: a table of their files
stack, alignment       the aligned scene, read tile by tile; step: align
thin_objects           roads, hedges and streams of simulated scenes
simulation             simulated scenes
=====================  ========================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
