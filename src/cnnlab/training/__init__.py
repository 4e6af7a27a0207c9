"""One experiment, from a checked config to its run folder."""
