from .catalogue import SYSTEMS as SYSTEMS, system_codes as system_codes
from .learner import Sizes as Sizes
from .patches import Patches as Patches
