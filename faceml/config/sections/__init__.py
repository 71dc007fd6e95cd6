"""Sections of the jobs' configurations: network, tasks, losses, weighting, split, search space and others."""
