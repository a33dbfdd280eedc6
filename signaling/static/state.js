// What this desktop knows, and who wants to hear when it knows better.

export const state = {
  connection: "offline",
  presence: { presence: "offline", role: "agent" },
  offers: new Map(),
  interactions: new Map(),
  wrapUps: new Map(), // calls that are over for this desktop, but not the work after them
  users: new Map(),
  legs: new Map(),
  figures: new Map(),
  queues: new Map(),
  flows: new Map(),
  calls: new Map(), // every live one this desktop may see
  accounts: new Map(), // for whoever administers them
  view: "calls",
  bootId: null, // of the bridge that the media connections were made with
  events: [],
  notices: [], // what was told of late
};
export const options = { processing: true, codec: "" };

const watchers = [];
const forgetters = [];

/** `watcher` is called after every change. */
export function watch(watcher) {
  watchers.push(watcher);
}

/** Something in `state` is different now. */
export function changed() {
  for (const watcher of watchers) watcher();
}

/** `forgetter` is called when nothing of the person at this desktop may stay. */
export function whenForgotten(forgetter) {
  forgetters.push(forgetter);
}

/** Somebody else may sit here next. */
export function forget() {
  for (const kept of Object.values(state)) {
    if (kept instanceof Map) kept.clear();
    if (Array.isArray(kept)) kept.length = 0;
  }
  state.presence = { presence: "offline", role: "agent" };
  state.view = "calls";
  for (const forgetter of forgetters) forgetter();
}
