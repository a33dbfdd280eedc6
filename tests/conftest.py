"""For all tests: no example of hypothesis has to be ready in a time, for the machine may be busy."""

from hypothesis import settings

settings.register_profile("warmbridge", deadline=None)
settings.load_profile("warmbridge")
