"""Accuracy measured honestly: methods × scenes × protocols × seeds.

==================  ===============================================================
matlab, simulated   the paper's files; a scene with known truth
datasets            scenes with labels, by name
protocols           training and test pixels, three ways
whole, probe        a network on a whole scene; which sensor features speak of
baselines, methods  what has to be beaten; everything that can be compared, by name
version, cells      which version of the program a result is of; each result computed once
summary, tables     means, intervals, differences paired by seed
published           the paper's own numbers
complexity          parameters and multiply-adds of every part
embedding           where features lie, in two dimensions
pictures, page      what is found, to look at
experiments         the paper's, each by one word
==================  ===============================================================
"""
