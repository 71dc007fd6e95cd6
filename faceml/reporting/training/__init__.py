"""Report of a multitask training."""
