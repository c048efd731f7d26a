from .experiments import BenchSettings as BenchSettings, run_experiment as run_experiment
from .tables import lines as lines, rows as rows
