"""`python -m ray_jobs.demo`: the command `faceml demo`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("demo")
