"""Report of an evaluation, and the model card."""
