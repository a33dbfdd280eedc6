"""Steps of those who talk: coming, going, held, called, handed over, listened to."""
