"""What is looked at before a request is heard: is it wanted, is it sound, whom does it come from."""
