"""Finding, choosing and drawing facial landmarks."""
