"""Landmark tables: schema, reading and writing, the plan of shards, and extraction processes."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
