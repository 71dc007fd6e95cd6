from . import tuning as tuning
