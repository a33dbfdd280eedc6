"""Webhooks: who wants which, and the couriers that deliver them."""
