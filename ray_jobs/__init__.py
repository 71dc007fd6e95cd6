"""faceml at work on Ray: one module for each job, and the command line."""

from ray_jobs.cluster import prepare_environment

prepare_environment()
