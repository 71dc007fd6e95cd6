"""Validated, frozen configuration, one file for each job."""
