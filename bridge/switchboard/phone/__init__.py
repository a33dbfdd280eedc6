"""Use cases of phones: calls that come, calls that are made, and the trunks between."""
