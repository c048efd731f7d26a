from .catalogue import SYSTEMS as SYSTEMS, system_codes as system_codes
