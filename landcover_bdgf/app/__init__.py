"""The command line, and the job from labels to map and report.

=================  ============================================================
job                run_job: train on labels, map, and assess; scenes_job: of many scenes; job_files: what it writes
first_checks       checks before heavy libraries are loaded; resuming: what an interrupted run has left
model_labels       the labels of a model, to judge its map; report_context: what a report tells of it
check, info, demo  the commands of these names
memory_limits      check ulimits before libraries are loaded
terminal, options  output and errors; options that commands share
qgis_install       the QGIS plugin in a user's profile; qgis_description: the commands as it sees them
cli                the commands: parse, make one call, print
=================  ============================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
