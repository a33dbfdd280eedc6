// Who is at this desktop: signs in by password or issuer, keeps the tokens in this tab, and renews them in time.

const TOKEN_KEY = "warmbridge.token";
const SESSION_KEY = "warmbridge.session";
const STATE_KEY = "warmbridge.state";
const WAYS_URL = "/api/v2/sign-in";
// Well before the end, so that a slow answer, or a second try, still comes in time.
const RENEW_AT = 0.6;
const RETRY_MS = 5_000;

export class SignInError extends Error {
  constructor(problem, status) {
    super(problem.reason ?? `the bridge answered ${status}`);
    this.code = problem.code ?? "unknown";
    this.status = status;
  }
}

/** Tells `renewed` with a fresh token, and `ended` with the reason why there is none any more. */
export class SignIn extends EventTarget {
  #timer = null;

  /** {password: boolean} and what else this bridge offers. */
  ways() {
    return this.#ask("GET", "");
  }

  /** Returns a token for the websocket. */
  async byPassword(user, password) {
    return this.#keep(await this.#ask("POST", "", { user, password }));
  }

  /** Sends the browser to the issuer. `back` takes up what it comes back with. */
  async atIssuer() {
    const { authorizationUrl, state } = await this.#ask("POST", "/issuer");
    sessionStorage.setItem(STATE_KEY, state);
    location.assign(authorizationUrl);
  }

  /** A token if this page was opened by the issuer's redirect, else null. */
  async back(query) {
    const expected = sessionStorage.getItem(STATE_KEY);
    sessionStorage.removeItem(STATE_KEY);
    const state = query.get("state");
    if (query.has("error") && expected) throw new SignInError({ reason: `the issuer says ${query.get("error")}` }, 401);
    if (!state) return null;
    // Somebody else's link must not sign this tab in under their name.
    if (state !== expected) throw new SignInError({ reason: "this sign-in was not begun in this tab" }, 401);
    const returned = { code: query.get("code") ?? "", state };
    if (query.has("iss")) returned.iss = query.get("iss");
    return this.#keep(await this.#ask("POST", "/issuer/return", returned));
  }

  /** A token of somewhere else (`warmbridge token`): used as it is, and never renewed. */
  byToken(token) {
    this.forget();
    sessionStorage.setItem(TOKEN_KEY, token);
    return token;
  }

  /** After a reload of the page: the token there is, or a fresh one; null if nobody is signed in here. */
  async resume() {
    const session = this.#session();
    if (!session) return sessionStorage.getItem(TOKEN_KEY);
    if (Date.now() < session.renewAt) {
      this.#watch(session);
      return sessionStorage.getItem(TOKEN_KEY);
    }
    return this.renew();
  }

  /** Whether a fresh token can be had without asking the person. */
  get renewable() {
    return this.#session() !== null;
  }

  /** A fresh token, or null once the session is over. */
  async renew() {
    const session = this.#session();
    if (!session) return null;
    try {
      const granted = await this.#ask("POST", "/renew", { refreshToken: session.refreshToken });
      if (this.#session()?.refreshToken !== session.refreshToken) return null; // signed out meanwhile
      return this.#keep(granted);
    } catch (error) {
      if (error.status !== 401) throw error;
      this.forget();
      this.dispatchEvent(new CustomEvent("ended", { detail: { reason: error.message } }));
      return null;
    }
  }

  forget() {
    clearTimeout(this.#timer);
    sessionStorage.removeItem(TOKEN_KEY);
    sessionStorage.removeItem(SESSION_KEY);
  }

  #session() {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY) ?? "null");
  }

  #keep(granted) {
    const session = {
      refreshToken: granted.refreshToken,
      renewAt: Date.now() + granted.expiresIn * RENEW_AT * 1000,
    };
    sessionStorage.setItem(TOKEN_KEY, granted.accessToken);
    sessionStorage.setItem(SESSION_KEY, JSON.stringify(session));
    this.#watch(session);
    return granted.accessToken;
  }

  #watch({ renewAt }) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renewNow(), Math.max(0, renewAt - Date.now()));
  }

  /** Tells `renewed` or `ended`; while the bridge is away it is tried again. */
  async renewNow() {
    clearTimeout(this.#timer);
    try {
      const token = await this.renew();
      if (token) this.dispatchEvent(new CustomEvent("renewed", { detail: { token } }));
    } catch {
      this.#timer = setTimeout(() => this.renewNow(), RETRY_MS); // the bridge is away for a moment
    }
  }

  async #ask(method, path, body) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const answer = await fetch(WAYS_URL + path, { method, headers, body: body && JSON.stringify(body) });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new SignInError(said, answer.status);
    return said;
  }
}
