"""Use cases of conversations: who takes part, is offered, handed over, called back, led by a flow."""
