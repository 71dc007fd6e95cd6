"""`python -m ray_jobs.transfer`: the command `faceml transfer`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("transfer")
