"""What each event does to the state: the one way it changes."""
