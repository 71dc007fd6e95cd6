"""Weightings of the task losses: constants, learned uncertainties, weights that follow the losses."""
