"""Classes and labelled pixels.

====================  =========================================================
legend, colors        classes with codes, names and colours
color_difference      how different colours look, also to colour-blind readers
regrouping            classes merged and renamed; legend_file: names and colours in a file
symbology, class_map  companion files for GDAL and QGIS; attribute_table: those of other programs; maps
qgis_form             forms to label in QGIS
class_raster          class rasters of any program; foreign_map: such a raster as a map
class_pixels          pixels and areas of the classes of a map
layers                further rasters of a map, such as the confidence
map_edges             pixels of a map near its border or gaps
label_source          a vector file or a GeoDataFrame
fields                which field of a file holds the class
settings              reading, drawing and splitting labels
rasterize             polygons and points to pixels; burn: which feature contains each pixel
split                 training and test
samples, sample_file  labelled pixels, in memory and as a GeoPackage
joined_samples        those of several scenes as one
sampling              step: sample
left_out              labels as judged by models that have not seen them
prediction_sets       sets of classes that hold the right one with a chosen probability
====================  =========================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
