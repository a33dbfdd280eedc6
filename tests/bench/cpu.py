"""CPU time of processes: what they used, whatever else the machine does meanwhile."""

import psutil


class CpuMeter:
    """User and system time of one process, all its threads."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def child_running(pid: int, words: str) -> int:
    """The pid of the child of `pid` whose command line contains `words`. LookupError if there is none."""
    for child in psutil.Process(pid).children(recursive=True):
        if words in " ".join(child.cmdline()):
            return int(child.pid)
    raise LookupError(f"no child of {pid} runs {words}")
