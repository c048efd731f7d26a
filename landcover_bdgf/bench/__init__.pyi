from .experiments import run_experiment as run_experiment
from .matlab import published_files as published_files
from .settings import BenchSettings as BenchSettings
from .tables import lines as lines
