"""Land-cover maps from a spectral and a SAR image, by balanced diffusion-guided fusion (arXiv 2509.23310).

==============  ====================================================================
errors          what can go wrong, as a tree
processes       processes that train together, as torchrun starts them
progress        progress of long work, log lines, Ctrl-C between steps
text            names, tables and pictures, safe to show
settings        help, unit and limits of a setting, on its line
storage         files: whole, written once, known by their checksums
geo             rasters, vector files and grids, as GDAL and PROJ know them
scene           one place as the sensors see it; step: align
labels          classes and labelled pixels; step: sample
model           what is learned, and how it is applied to blocks of a scene
training        steps: pretrain, train
mapping         steps: map, mosaic
assessment      step: assess
survey          steps: design, areas; assess with a probability sample
bench           accuracy of many methods on many scenes
app             the command line and the whole job
==============  ====================================================================

Imports point from a row to rows above it; training, mapping and assessment do not import each other, files pass
between them. A package is imported through its face, the names in its ``__init__.pyi``; they are loaded when they are
first asked for, so that ``bdgf --help`` does not wait for PyTorch. ``tests/test_layout.py`` holds this.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
