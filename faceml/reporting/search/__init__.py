"""Report of a search."""
