import errno
import os

import pytest
import ray.train
from ray.exceptions import OutOfMemoryError, RayActorError

from faceml.config.config_error import ConfigError
from faceml.errors import StoppedError
from ray_jobs.training.errors import FinalErrors, translate_training_errors


def group_error(*errors: Exception) -> ray.train.WorkerGroupError:
    return ray.train.WorkerGroupError("a page of it", dict(enumerate(errors)))


@pytest.mark.parametrize("error", [StoppedError("a gradient"), ConfigError("model.weights: not there")])
def test_final_errors__are_raised_in_the_controller_which_ends_the_training(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        FinalErrors().after_exception(None, {0: RuntimeError("the other worker is gone"), 1: error})
    assert raised.value is error


def test_final_errors__others_are_left_to_ray_train() -> None:
    FinalErrors().after_exception(None, {0: RuntimeError("CUDA"), 1: OSError(errno.EIO, "the share is away")})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ray.train.ControllerError(StoppedError("a gradient")), "a gradient"),
        (ray.train.ControllerError(ConfigError("model.weights: not there")), "model.weights: not there"),
        (group_error(RuntimeError(), OSError(errno.EIO, os.strerror(errno.EIO))), "Input/output error"),
        (group_error(RayActorError(), RayActorError()), "Ray's workers died"),
        (ray.train.ControllerError(RayActorError()), "Ray's workers died"),
        (RayActorError(), "Ray's workers died"),
        (OutOfMemoryError("a page\nof it"), "Ray's workers died: out of memory"),
        (group_error(OutOfMemoryError("a page\nof it"), RayActorError()), "Ray's workers died"),
    ],
)
def test_translate_training_errors__is_one_line(error: Exception, said: str) -> None:
    with pytest.raises(StoppedError, match=said) as raised, translate_training_errors():
        raise error
    assert "\n" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        group_error(KeyError("a mistake"), RayActorError()),
        ray.train.ControllerError(KeyError("a mistake")),
        KeyError("a mistake"),
    ],
)
def test_translate_training_errors__a_mistake_of_faceml_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_training_errors():
        raise error
    assert raised.value is error
