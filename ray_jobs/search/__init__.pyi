from . import study as study, tuning as tuning
