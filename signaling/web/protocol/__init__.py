"""What clients and the bridge say to each other, as types: commands in, replies and events out."""
