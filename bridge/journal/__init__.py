"""The desk's events on disk and back."""
