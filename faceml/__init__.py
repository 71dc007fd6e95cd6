"""faceml: from a folder of faces to landmarks, a multitask backbone and face recognition."""

__version__ = "0.1.0"
