"""From a command to what follows from it: step, commit, and then whoever is to know."""
