"""Report of an evaluation of face recognition."""
