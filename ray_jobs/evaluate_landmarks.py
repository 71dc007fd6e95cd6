"""`python -m ray_jobs.evaluate_landmarks`: the command `faceml evaluate-landmarks`."""

from ray_jobs.cli import main

if __name__ == "__main__":
    main("evaluate-landmarks")
