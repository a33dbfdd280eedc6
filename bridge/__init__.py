"""The bridge: the domain and its memory (control plane), and the media plane."""
