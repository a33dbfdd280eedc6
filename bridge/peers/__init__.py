"""Synthetic callers and browsers for the demo, the tests and the load runs."""
