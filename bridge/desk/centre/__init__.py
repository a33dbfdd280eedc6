"""What the contact centre is before anybody calls: people, queues, flows, bounds. Values."""
