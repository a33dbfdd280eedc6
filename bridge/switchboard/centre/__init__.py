"""Use cases of those who run the centre: accounts, users, queues."""
