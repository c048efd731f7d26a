from .cli import main as main
from .job import Job as Job, run_job as run_job
