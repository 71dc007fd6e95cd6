"""Faces for training: folders, landmark tables, augmentation, and synthetic ones."""
