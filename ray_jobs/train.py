"""`python -m ray_jobs.train`: the command `faceml train`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("train")
