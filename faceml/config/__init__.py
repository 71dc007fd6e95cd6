"""Validated, frozen configuration: one file for each job, and one in `sections` for each shared section."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
