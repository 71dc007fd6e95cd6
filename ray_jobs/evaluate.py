"""`python -m ray_jobs.evaluate`: the command `faceml evaluate`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("evaluate")
