"""Steps: pretrain and train.

=======================  ======================================================
task, loop, state        optimisation task; training loop; its state on disk
windows                  windows around labelled pixels
pretraining              step: the denoiser, without labels
denoiser_picture         a picture of its results
training                 step: the fusion network
folds, cross_fitting     temporary models that judge the labels of others
stacking                 shares of the experts
calibration              opinions at labelled pixels, temperature, novelty
=======================  ======================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
