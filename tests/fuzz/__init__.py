"""A fuzz target for every parser and every engine that meets a stranger's bytes."""
