"""`python -m ray_jobs.predict`: the command `faceml predict`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("predict")
