from .request import Submission as Submission
from .submit import run as run
