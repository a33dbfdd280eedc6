"""Sound: every 20 ms all rooms of a worker are mixed; a leg's frames in, its mix out."""
