"""Files that are written whole or not at all, once, and known by their checksums.

==========  =================================================================
paths       what a user types: files, folders, addresses
atomic      drafts in hidden folders, moved into place whole
products    the files that a step writes: declare, check, lock, publish
tensors     safetensors files and their checksums
torch_file  weights of torch.save, without unpickling
documents   JSON and TOML
records     the provenance record of an output
cache       results kept between runs
==========  =================================================================

Other packages import the names in ``__init__.pyi``, never a module inside.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
