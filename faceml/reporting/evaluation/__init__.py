"""Report of an evaluation, and its model card."""
