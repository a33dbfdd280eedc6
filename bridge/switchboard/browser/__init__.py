"""Use cases of browsers: which are open, their media, and the companions of callers."""
