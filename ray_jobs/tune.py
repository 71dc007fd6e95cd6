"""`python -m ray_jobs.tune`: the command `faceml tune`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("tune")
