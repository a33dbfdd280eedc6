// The desktop: begins it, and takes what is pressed. `window.warmbridge` is its handle for tests and curious people.

import { actions } from "./action.js";
import { socket } from "./bridge.js";
import { browserTrouble } from "./device.js";
import { enter, session, showWays, signIn, signInByPassword, signOut } from "./entrance.js";
import "./event.js";
import { readFigures } from "./figure.js";
import { notify } from "./notice.js";
import { render, showView } from "./page.js";
import { checkDevices, readiness, setPresence } from "./presence.js";
import { options, state } from "./state.js";

const $ = (id) => document.getElementById(id);

$("password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const password = $("password").value;
  $("password").value = "";
  signInByPassword($("user").value.trim(), password);
});
$("issuer-sign-in").addEventListener("click", () => {
  session.atIssuer().catch((error) => notify("error", `Not signed in: ${error.message}`));
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  $("token").value = "";
  signIn(token);
});
$("sign-out").addEventListener("click", signOut);
$("check-devices").addEventListener("click", () => checkDevices(true));
for (const button of $("presence").querySelectorAll("button")) {
  button.addEventListener("click", () => setPresence(button.dataset.presence, button.dataset.role));
}

for (const button of $("views").children) button.addEventListener("click", () => showView(button.dataset.view));

/** `#token=…` signs in at once; `codec=H264` and `processing=off` are for tests. Gone from the address bar first. */
async function start() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const query = new URLSearchParams(location.search);
  if (location.hash || location.search) history.replaceState(null, "", location.pathname);
  options.codec = fragment.get("codec") ?? "";
  options.processing = fragment.get("processing") !== "off";
  const trouble = browserTrouble();
  if (trouble) notify("error", trouble);
  render();
  showWays();
  if (fragment.has("token")) {
    await signIn(fragment.get("token"));
    return;
  }
  try {
    const token = (await session.back(query)) ?? (await session.resume());
    if (token) await enter(token);
  } catch (error) {
    notify("error", `Not signed in: ${error.message}`);
  }
}

window.warmbridge = {
  state,
  options,
  socket,
  readiness,
  actions,
  signIn,
  signOut,
  setPresence,
  /** The leg of an interaction, or of the only one. */
  leg: (interactionId = state.legs.keys().next().value) => state.legs.get(interactionId) ?? null,
  get pc() {
    return this.leg()?.pc ?? null;
  },
  stats: async (interactionId) => {
    const leg = window.warmbridge.leg(interactionId);
    return leg ? readFigures(leg.pc) : null;
  },
  /** The <video> that shows a participant's picture; without an id, the first of somebody else. */
  video: (participantId) =>
    document.querySelector(participantId ? `.tile[data-participant="${participantId}"] video` : ".tile:not(.self) video"),
};

start();
