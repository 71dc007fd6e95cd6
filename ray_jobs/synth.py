"""`python -m ray_jobs.synth`: the command `faceml synth`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("synth")
