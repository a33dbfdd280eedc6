// Signing in, coming back after a break, and signing out.

import { attempt, ownUserId, socket } from "./bridge.js";
import { dropLeg, dropLegs, takeInteraction } from "./conversation.js";
import { loadFloor, noteCall } from "./floor.js";
import { clearNotices, notify } from "./notice.js";
import { readiness } from "./presence.js";
import { loadSidebar } from "./sidebar.js";
import { SignIn } from "./signin.js";
import { changed, forget, state } from "./state.js";

// Longer than the bridge waits for a lost desktop: by then a call of somebody who was signed out is handed over.
const LINGER_MS = 15_000;
const $ = (id) => document.getElementById(id);

let person = null; // whose wishes and calls the state holds

export const session = new SignIn();
const tabs = new BroadcastChannel("warmbridge");

/** With a token of somewhere else. */
export function signIn(token) {
  return enter(session.byToken(token));
}

export async function signInByPassword(user, password) {
  clearNotices();
  try {
    await enter(await session.byPassword(user, password));
  } catch (error) {
    notify("error", `Not signed in: ${error.message}`);
  }
}

export async function enter(token) {
  clearNotices();
  try {
    await socket.connect(token);
  } catch (error) {
    session.forget();
    socket.close();
    notify("error", `Not signed in: ${error.message}`);
  }
}

/** The bridge let this desktop go. A token that only grew old is renewed; else the person signs in again. */
async function signedOut(reason) {
  const token = await session.renew().catch(() => null);
  if (token) {
    await enter(token);
    return;
  }
  clearNotices();
  notify("error", `Signed out: ${reason}. Sign in again.`);
  setTimeout(() => {
    if (socket.identity) return;
    forgetPerson();
    changed();
  }, LINGER_MS);
}

/** The same person goes on. With other rights they see more or less than before. */
async function renewed(token) {
  const before = socket.identity?.scopes.join();
  await socket.renew(token);
  if (socket.identity?.scopes.join() === before) return;
  const listed = await attempt("listInteractions");
  state.calls.clear();
  for (const interaction of listed?.interactions ?? []) noteCall(interaction);
  await loadFloor();
  changed();
}

/** Shows what this bridge offers; a pasted token always works. */
export async function showWays() {
  const ways = await session.ways().catch(() => ({ password: false }));
  $("password-form").hidden = !ways.password;
  $("issuer-way").hidden = !ways.issuer;
  $("issuer-name").textContent = ways.issuer ?? "";
  $("token-details").open = !ways.password;
}

/** Here, and in every other tab of this browser where the same user is signed in. */
export function signOut() {
  const userId = ownUserId();
  leave();
  if (userId !== null) tabs.postMessage({ signedOut: userId });
}

function leave() {
  session.forget();
  clearNotices();
  $("user").value = "";
  forgetPerson();
  readiness.want(false);
  socket.close();
  changed();
}

function forgetPerson() {
  person = null;
  dropLegs();
  forget();
}

/** After signing in or coming back. With its place in the events kept, what was missed comes by itself. */
async function comeBack() {
  // Whoever was signed out by the bridge may come back to their call; somebody else is not ready because they were.
  if (person !== null && person !== ownUserId()) forgetPerson();
  person = ownUserId();
  const wished = state.presence;
  if (socket.identity.resumed) await resume();
  else await refresh();
  // What is wished here, not what the bridge took it for meanwhile.
  if (["ready", "away"].includes(wished.presence)) state.presence = wished;
  if (["ready", "away"].includes(state.presence.presence)) await attempt("setPresence", state.presence);
  await loadFloor();
  await readiness.want(state.presence.presence === "ready");
  changed();
}

/** Same bridge, nothing missed: media that still flow are left alone. */
async function resume() {
  await attempt("listUsers"); // the first command of the new connection brings what is not numbered
  for (const leg of state.legs.values()) {
    if (leg?.isBroken) leg.restart();
  }
}

/** What is, in place of what was missed. */
async function refresh() {
  state.offers.clear(); // those that still ring come again with the first command
  await loadSidebar();
  const listed = await attempt("listInteractions");
  state.interactions.clear();
  state.wrapUps.clear();
  state.calls.clear();
  for (const interaction of listed?.interactions ?? []) {
    noteCall(interaction);
    takeInteraction(interaction);
  }
  const anew = state.bootId !== null && state.bootId !== socket.identity.bootId;
  state.bootId = socket.identity.bootId;
  for (const [id, leg] of [...state.legs]) {
    // Media of a bridge that was started anew are dead, even if the browser has not noticed yet.
    if (!state.interactions.has(id) || anew) dropLeg(id);
    else leg?.restart();
  }
  if (anew) for (const interaction of [...state.interactions.values()]) takeInteraction(interaction);
  const users = await attempt("listUsers");
  state.users = new Map((users?.users ?? []).map((user) => [user.userId, user]));
  // After a reload of the page the bridge still knows what this desktop was.
  const known = state.users.get(ownUserId());
  if (known && state.presence.presence === "offline") state.presence = { presence: known.presence, role: known.role };
}

socket.addEventListener("state", ({ detail }) => {
  state.connection = detail.state;
  if (detail.state === "offline" && detail.reason) signedOut(detail.reason);
  if (detail.state === "online") comeBack();
  changed();
});
tabs.addEventListener("message", ({ data }) => {
  if (data.signedOut === undefined || data.signedOut !== ownUserId()) return;
  leave();
  notify("info", "You signed out in another tab.");
});
session.addEventListener("renewed", ({ detail }) => renewed(detail.token).catch(() => {}));
session.addEventListener("ended", ({ detail }) => {
  if (!socket.identity) return; // the socket tells it
  socket.close();
  signedOut(detail.reason);
});
