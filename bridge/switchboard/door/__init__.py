"""What doors and switchboard ask of each other, and who may ask."""
