"""Requests of every other kind: built, sent to where they go, answered; each kind that carries a meaning."""
