"""Verification of pairs of faces: sets of pairs, embeddings, scores and metrics."""
