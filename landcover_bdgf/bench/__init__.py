"""Accuracy measured honestly: methods × scenes × protocols × seeds.

==================  ===============================================================
matlab, simulated   the paper's files; a scene with known truth
datasets            scenes with labels, by name
protocols           training and test pixels, three ways
baselines, methods  what has to be beaten; everything that can be compared, by name
version, cells      which version of the program a result is of; each result computed once
summary, tables     means, intervals, differences paired by seed
published           the paper's own numbers
pictures, page      what is found, to look at
experiments         the paper's, each by one word
==================  ===============================================================
"""
