"""The use cases: one method per command, the one corridor behind every door."""
