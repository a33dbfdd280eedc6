"""The use cases, the one corridor behind every door: one part a subject, one method a command."""
