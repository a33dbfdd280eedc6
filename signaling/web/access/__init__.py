"""Who may come in and how often: tokens, passwords, issuers, handshakes."""
