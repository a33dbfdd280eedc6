"""What the media plane, phones and browsers are to do, and whether they were told."""
