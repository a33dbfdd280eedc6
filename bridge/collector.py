"""Python's garbage collector, set for a process that serves: it looks seldom, and never at what stays anyway."""

import gc

# Objects made and not yet gone. Calls free theirs by themselves within seconds: Python's 700 has the collector look
# at every call in progress again and again, a tenth of a call's CPU (measured). A pass over 10,000 takes 5 ms.
THRESHOLD = (10_000, 5, 20)


def settle() -> None:
    """When all is built and before anything is served: what is alive now lives as long as the process.

    Otherwise each full pass would go through it, 37-266 ms during which nothing else happens.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLD)
    gc.enable()  # the command line switched it off: passes over what is only being imported find nothing
