"""SIP: a sans-I/O core (messages, transactions, dialogs, user agent) and its UDP and TCP shell."""
