"""One endpoint's media connection: transport below, media graph above."""
