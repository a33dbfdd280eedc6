"""Flows that run: what each kind of step does, what is wrong with one, who starts and stops it."""
