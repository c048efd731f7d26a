"""The command line and the whole job.

=================  ============================================================
job                labels to map and report in one go
check, info, demo  their commands
terminal, options  what is shown; options that commands share
cli                the commands: parse, make one call, print
=================  ============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
