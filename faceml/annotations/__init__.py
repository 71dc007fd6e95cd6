"""Faces whose landmarks people have marked, as data sets are shipped: 300-W, MTFL, WFLW."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
