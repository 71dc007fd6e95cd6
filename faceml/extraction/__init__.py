"""Extraction into a table: comparison with the images, plan of shards, extractor processes, shard writer."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
