"""The error of a user's mistake; apart, so that those who raise it need not import pydantic."""


class ConfigError(ValueError):
    """A user's mistake in a configuration, told in one line that names the setting and the remedy."""
