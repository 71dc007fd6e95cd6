"""Report of an export."""
