"""The command line, and the job from labels to map and report.

=================  ============================================================
job                run_job: train on labels, map, and assess; scenes_job: of many scenes
model_labels       the labels of a model, to judge its map
check, info, demo  the commands of these names
memory_limits      check ulimits before libraries are loaded
terminal, options  output and errors; options that commands share
cli                the commands: parse, make one call, print
=================  ============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
