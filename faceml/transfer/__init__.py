"""Taking a pretrained backbone to face recognition."""
