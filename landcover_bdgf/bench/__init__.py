"""Benchmark: accuracy of methods × scenes × protocols × seeds.

==================  ===============================================================
matlab, simulated   the paper's files; scenes with known classes
datasets            scenes with labels, by name
protocols           three ways of drawing training and test pixels
probe               dependence of diffusion features on each sensor
pixel_features      what baselines see of each pixel
baselines           classifiers of scikit-learn
small_cnn           a plain CNN on components
methods             methods by name
systems             the systems of the paper, by name
whole_scene         a function of blocks, applied to all
published           what the paper prints
version, cells      program version of a result; results, each computed once
tables              means, intervals, differences paired by seed
complexity          parameters and multiply-adds of every part
costs               those of all methods, and the time of a training step
page                the report
settings            what a comparison compares
experiments         the experiments of the paper, by name
==================  ===============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
