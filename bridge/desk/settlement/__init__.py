"""What must hold after every step, and the moves that bring it about. Any step may end here."""
