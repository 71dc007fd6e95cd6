"""Report of an extraction."""
