"""`python -m ray_jobs.extract`: the command `faceml extract`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("extract")
