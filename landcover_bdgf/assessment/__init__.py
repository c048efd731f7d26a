"""Step: assess. Accuracy of a map against reference labels.

============  =================================================================
reference     reference pixels of a map
borders       distance of pixels to borders between classes
measures      confusion matrix, accuracies, kappa
confusion     figures of single classes and pairs of classes
distances     accuracy by distance to training pixels and to borders
intervals     confidence intervals of pixels that come in polygons
limits        masks and area of interest of a map
provenance    inputs, warnings and novelty of a map, from its record
scene_rows    scenes of a model of several
reliability   calibration of the confidence
verdicts      a sentence on the confidence, and one on the novelty
figures       charts for the report
pictures      map, errors, image and layers for the report
tables        CSV
pages         one look for all HTML pages
report_page   the page of a report
report        step: assess
============  =================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
