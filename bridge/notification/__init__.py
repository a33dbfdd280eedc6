"""What is written to people: e-mail, SMS and chat by apprise, from the outbox, each letter by a process of its own."""
