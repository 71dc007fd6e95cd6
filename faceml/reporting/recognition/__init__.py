"""Reports of a recognition training and of a study of arms."""
