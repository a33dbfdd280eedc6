"""Flows as files: TOML in, values of the desk out, every mistake with its line."""
