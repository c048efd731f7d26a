from .denoiser_picture import draw_denoised as draw_denoised
from .loop import fit as fit, generator_of as generator_of
from .pretraining import pretrain as pretrain, pretraining_record as pretraining_record
from .task import Task as Task, adam as adam
from .training import train as train, training_record as training_record
from .windows import cut_windows as cut_windows
