"""Step: assess. Accuracy of a map against reference labels.

============  =================================================================
reference     reference pixels of a map
borders       distance of pixels to borders between classes
measures      confusion matrix, accuracies, kappa
intervals     confidence intervals of pixels that come in polygons
limits        masks and area of interest of a map
reliability   calibration of the confidence
figures       pictures for the report
tables        CSV
report        step: assess; the HTML page
============  =================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
