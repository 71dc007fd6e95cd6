"""Images: decoding, alignment, and where in its image a face lies."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
