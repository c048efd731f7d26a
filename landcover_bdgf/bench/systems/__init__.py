"""The systems that the paper compares with, each trained on the same pixels and with the weights of its last step.

==============  ================================================================================
system          what a system is: inputs, network, losses, optimiser and schedule
patches         images as a system sees them; windows around pixels
learner         training by our loop
stems           layers that several systems share
fusion_hct, …   one file for each system
catalogue       all systems by name; a whole scene classified
==============  ================================================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
