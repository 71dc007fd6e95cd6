"""The training loop, its optimiser and schedule, and checkpoints."""
