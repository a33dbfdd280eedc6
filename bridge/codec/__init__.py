"""Audio and video codecs behind narrow seams."""
