from . import multitask as multitask
from .errors import OutageAsItself as OutageAsItself
from .multitask import needed_resources as needed_resources
from .resuming import (
    enter_run_folder as enter_run_folder,
    load_interrupted_training as load_interrupted_training,
)
