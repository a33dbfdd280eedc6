"""What every HTTP exchange has: its bounds, its errors, its figures."""
