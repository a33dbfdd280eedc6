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
  notices: [],
};
export const options = { processing: true, codec: "" };

const watchers = [];

/** `watcher` is called after every change. */
export function watch(watcher) {
  watchers.push(watcher);
}

/** Something in `state` is different now. */
export function changed() {
  for (const watcher of watchers) watcher();
}
