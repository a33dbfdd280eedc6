// The websocket of PROTOCOL.md: commands with replies, events, and coming back after a break.

const SUBPROTOCOL = "warmbridge.v1";
const PING_EVERY_MS = 15_000;
const REPLY_WITHIN_MS = 20_000;
// Within desk.reconnect_grace_s there must be a try, whenever the bridge came back.
const RETRY_MS = [500, 1000, 2000, 3000];
// After these close codes trying again with the same token cannot help (PROTOCOL.md section 6).
const FINAL_CODES = new Set([4401]);

export class CommandError extends Error {
  constructor(error) {
    super(error.reason);
    this.code = error.code;
    this.participantId = error.participantId;
  }
}

export class Socket extends EventTarget {
  #token = "";
  #socket = null;
  #pending = new Map();
  #nextId = 1;
  #failures = 0;
  #timers = [];
  #place = null; // in the bridge's events: bootId, number and part of the last one that came
  identity = null;
  state = "offline";

  /** Signs in; settles when the bridge has answered. Later breaks are mended by themselves. */
  connect(token) {
    this.#place = null;
    this.#token = token;
    return this.#open();
  }

  /** A fresh token of the same user: the connection goes on with it, and so does the next. */
  async renew(token) {
    this.#token = token;
    if (this.state !== "online") return;
    const { scopes, roles, name, expiresAt } = await this.request("authenticate", { token });
    this.identity = { ...this.identity, scopes, roles, name, expiresAt };
  }

  close() {
    this.#token = "";
    this.identity = null;
    this.#socket?.close(1000);
    this.#lost("signed out");
    this.#change("offline");
  }

  /** Sends one command; settles with its result, or fails with a CommandError. */
  request(command, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new CommandError({ code: "offline", reason: "not connected to the bridge" }));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const late = () => this.#settle(id, { ok: false, error: { code: "timeout", reason: `no reply to ${command}` } });
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, REPLY_WITHIN_MS) });
      this.#socket.send(JSON.stringify({ id, command, ...fields }));
    });
  }

  async #open() {
    this.#change("connecting");
    const url = new URL("/ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    const closed = new Promise((_, reject) => {
      socket.addEventListener("close", (event) => {
        reject(new CommandError({ code: "closed", reason: event.reason || "the bridge cannot be reached" }));
        if (socket === this.#socket) this.#broken(event);
      });
    });
    closed.catch(() => {});
    socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
    await Promise.race([new Promise((resolve) => socket.addEventListener("open", resolve, { once: true })), closed]);
    const resume = this.#place === null ? {} : { resume: this.#place };
    this.identity = await this.request("authenticate", { token: this.#token, ...resume });
    const { bootId, number, part, resumed } = this.identity;
    if (!resumed) this.#place = { bootId, number, part };
    this.#failures = 0;
    this.#timers.push(setInterval(() => this.#prove(socket), PING_EVERY_MS));
    this.#change("online");
    return this.identity;
  }

  /** A dead path is noticed here: the browser itself would take minutes. */
  #prove(socket) {
    this.request("ping").catch(() => socket.close());
  }

  #receive(message) {
    if (message.event) {
      const { number, part } = message;
      if (number !== undefined && this.#place !== null) this.#place = { ...this.#place, number, part };
      this.dispatchEvent(new CustomEvent(message.event, { detail: message }));
    } else if (message.id !== null) {
      this.#settle(message.id, message);
    } else {
      this.dispatchEvent(new CustomEvent("refused", { detail: message.error }));
    }
  }

  #settle(id, reply) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    if (reply.ok) waiting.resolve(reply.result ?? {});
    else waiting.reject(new CommandError(reply.error));
  }

  #broken(event) {
    const wasSignedIn = this.identity !== null;
    this.#lost(event.reason || "the connection broke");
    if (!this.#token || !wasSignedIn || FINAL_CODES.has(event.code)) {
      this.identity = null;
      // A first sign-in that failed is told by `connect` itself.
      this.#change("offline", wasSignedIn ? event.reason : "");
      return;
    }
    this.#change("connecting");
    // Not all desktops at the same instant, when a bridge comes back that all of them lost at the same instant.
    const delay = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] * (0.5 + Math.random());
    this.#timers.push(setTimeout(() => this.#open().catch(() => {}), delay));
  }

  #lost(reason) {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer); // clears intervals too
    for (const id of [...this.#pending.keys()]) this.#settle(id, { ok: false, error: { code: "closed", reason } });
  }

  #change(state, reason = "") {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, reason } }));
  }
}
