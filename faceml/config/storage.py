"""What the nodes of a cluster can reach."""

from faceml.config.base import Config


class StorageConfig(Config):
    """Of a job that may run on several nodes."""

    shared: bool = False
    """Whether local paths are the same folders on every node, as those of a mounted file system are."""
