import pytest
import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from ray_jobs.search.callbacks import reason_of

pytestmark = pytest.mark.usefixtures("ray_cluster")


@ray.remote(num_cpus=0)  # an error keeps the actor alive, and with it its CPUs
class Victim:
    def die(self) -> None:
        import os

        os._exit(1)

    def fail(self) -> None:
        raise MemoryError("so\nmuch")


def error_of(method: str) -> RayError:
    victim = Victim.remote()
    with pytest.raises(RayError) as error:
        ray.get(getattr(victim, method).remote())
    return error.value


def test_reason_of__a_process_that_died_could_not_say_why() -> None:
    error = error_of("die")
    assert isinstance(error, RayActorError)
    assert reason_of(error, 1) == "its process died, possibly because it exceeded the available memory"
    assert (
        reason_of(error, 2) == "its process died 2 times, possibly because it exceeded the available memory"
    )


def test_reason_of__an_error_is_named_by_what_caused_it() -> None:
    error = error_of("fail")
    assert isinstance(error, RayTaskError)
    assert reason_of(error, 1) == "MemoryError: so much"


def test_reason_of__rays_own_guard_of_memory_says_so() -> None:
    assert reason_of(OutOfMemoryError("killed"), 1) == "its process exceeded the memory of its node"
    assert reason_of(None, 1) == "Ray Tune gives no reason"
