"""faceml at work on Ray: one module for each job, and the command line."""
