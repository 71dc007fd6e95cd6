"""`python -m ray_jobs.submit`: the command `faceml submit`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("submit")
