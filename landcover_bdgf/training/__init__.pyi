from .denoiser_picture import draw_denoised as draw_denoised
from .pretraining import pretrain as pretrain, pretraining_record as pretraining_record
from .training import train as train, training_record as training_record
from .windows import cut_windows as cut_windows
