"""Accuracy measured honestly: methods × scenes × protocols × seeds.

==================  ===============================================================
matlab, simulated   the paper's files; a scene with known truth
datasets            scenes with labels, by name
protocols           training and test pixels, three ways
probe               which sensor features speak of
methods             everything that can be compared, by name
version, cells      which version of the program a result is of; each result computed once
tables              means, intervals, differences paired by seed
complexity          parameters and multiply-adds of every part
page                the report
settings            what a comparison compares
experiments         the paper's, each by one word
==================  ===============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
