from .experiments import run_experiment as run_experiment
from .settings import BenchSettings as BenchSettings
from .tables import lines as lines
