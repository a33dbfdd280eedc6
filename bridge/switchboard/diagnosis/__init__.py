"""What is found out about legs: what they can, why one is silent or black, what its SIP said."""
