"""`python -m ray_jobs.export`: the command `faceml export`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("export")
