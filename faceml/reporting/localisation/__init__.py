"""Report of landmarks against people's annotations."""
