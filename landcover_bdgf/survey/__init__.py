"""Accuracy of a map and areas of its classes from a probability sample. Steps:
design, assess with a design, areas, where.

================  ===============================================================
settings          settings of the steps
strata            strata of a map, counted and drawn from strip by strip
allocation        points of each stratum
point_style       QGIS form and style of the points
points_file       the points, and what they were labelled, in a GeoPackage
chips             HTML sheet with a picture of each point
drawing           step: design
estimators        stratified estimators and their intervals
survey_accuracy   the estimates of a map
survey_report     HTML page, JSON and tables
assessing         step: assess with a design
comparison        step: assess with a second map
class_areas       step: areas
places_file       places to label next, in a GeoPackage
next_labels       step: where
================  ===============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
