"""Configuration error, in its own module so that raising it does not import pydantic."""


class ConfigError(ValueError):
    """Mistake in a configuration, described in one line that names the setting and the remedy."""
