"""`python -m ray_jobs.forget`: the command `faceml forget`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("forget")
