"""Finding, composing and checking the configuration."""
