"""`python -m ray_jobs.doctor`: the command `faceml doctor`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("doctor")
