from . import multitask as multitask
from .errors import translate_worker_outage as translate_worker_outage
from .multitask import needed_resources as needed_resources
from .resuming import MAY_CHANGE as MAY_CHANGE, load_interrupted_training as load_interrupted_training
