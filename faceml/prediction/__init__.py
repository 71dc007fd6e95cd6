"""Prediction with a trained model: faces found, framed as in training, and passed through the network."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
