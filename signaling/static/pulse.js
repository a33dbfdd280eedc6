// A clock that a hidden tab does not slow down: browsers hold back a page's timers there, not those of a worker.

self.addEventListener("message", ({ data }) => {
  clearInterval(self.pulse);
  self.pulse = data > 0 ? setInterval(() => self.postMessage(null), data) : undefined;
});
