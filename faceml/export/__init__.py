"""Trained networks as files that run without faceml, and the proof that they answer alike."""
