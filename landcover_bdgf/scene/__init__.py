"""One place as the sensors see it: bands, images, and both sensors aligned on one grid.

=====================  ========================================================
bands, product_files   names and wavelengths; which files of a product hold bands
arrays                 DataArrays of xarray, read like files
band_reader, image     raw values to physical ones; one sensor's image
sar                    dB and linear power
value_checks           offsets, fill values and zeros that nodata does not declare
pair_checks            whether two images fit together
shift                  how far the SAR is shifted
settings               how both are put on one grid
stack, alignment       the aligned scene, tile by tile; step: align
simulation             a scene by formula
=====================  ========================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
