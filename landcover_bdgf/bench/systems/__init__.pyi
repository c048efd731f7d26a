from .catalogue import ALL as ALL, SYSTEMS as SYSTEMS, settings_of as settings_of, system_codes as system_codes
from .learner import Sizes as Sizes
from .patches import Patches as Patches
from .spectral_diff import DENOISER as DENOISER
from .system import Source as Source
