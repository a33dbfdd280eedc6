"""One conversation as values: who takes part, what is sought, promised and under way."""
