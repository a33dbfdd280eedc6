"""The REST API: who may, what was asked before, bodies and their examples, the routes."""
