"""The media graph: `audio` is mixed, `video` is forwarded; neither knows the other."""
