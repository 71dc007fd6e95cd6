"""Jobs of faceml on Ray, and their command line."""

from ray_jobs.cluster import prepare_environment

prepare_environment()
