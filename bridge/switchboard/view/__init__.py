"""What is shown of the desk, as values with wall-clock times: views, events, pages of a list."""
