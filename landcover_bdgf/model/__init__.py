"""What is learned, and how it is applied to blocks of a scene.

======================  =======================================================
recipe                  settings of the method
networks                the method itself, PyTorch only
scaling, scaling_fit    physical values to network inputs
learning_tiles          random pieces of a scene without its test pixels
run, device, workers    where and with how many threads it runs
blocks, features        the scene in blocks; what the branches get
checkpoint, history     a denoiser or model in one file
compatibility           whether a scene fits a checkpoint
novelty, classifier     distance to the training data; classes of a block
======================  =======================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
