// The desktop: joins socket, legs and cards. `window.warmbridge` is its handle for tests and curious people.

import { ring } from "./bell.js";
import { InteractionCard, OfferCard, WrapUpCard } from "./card.js";
import { browserTrouble, openCamera, openDevices } from "./device.js";
import { readFigures } from "./figure.js";
import { Leg } from "./leg.js";
import { element, keep, showBadge, showPressed } from "./part.js";
import { Readiness } from "./readiness.js";
import { SignIn } from "./signin.js";
import { Socket } from "./socket.js";

const VIDEO_SCOPE = "telephony:video:use";
const REJOIN_AFTER_MS = 1000;
// Longer than the bridge waits for a lost desktop: by then a call of somebody who was signed out is handed over.
const LINGER_MS = 15_000;
const $ = (id) => document.getElementById(id);

const socket = new Socket();
const session = new SignIn();
const state = {
  connection: "offline",
  presence: { presence: "offline", role: "agent" },
  offers: new Map(),
  interactions: new Map(),
  wrapUps: new Map(), // calls that are over for this desktop, but not the work after them
  users: new Map(),
  legs: new Map(),
  figures: new Map(),
  bootId: null, // of the bridge that the media connections were made with
  events: [],
  notices: [],
};
const readiness = new Readiness(socket, () =>
  [...state.legs.values()].some((leg) => leg?.pc.connectionState === "connected"));
const options = { processing: true, codec: "" };
const offerCards = new Map();
const interactionCards = new Map();
const wrapUpCards = new Map();

// --- notices ------------------------------------------------------------------------------------------------

/** `about` is what the notice is about, for `settled`. */
function notify(kind, text, about = "") {
  state.notices.push({ kind, text });
  if ([...$("notices").children].some((shown) => shown.firstChild.textContent === text)) return;
  const notice = element("div");
  notice.className = "notice";
  notice.dataset.kind = kind;
  notice.dataset.about = about;
  const close = element("button", "Dismiss");
  close.className = "small";
  close.addEventListener("click", () => notice.remove());
  notice.append(element("span", text), close);
  $("notices").append(notice);
  while ($("notices").children.length > 4) $("notices").firstChild.remove();
}

/** It is well again: what was said about it makes way. */
function settled(about) {
  for (const notice of [...$("notices").children]) if (notice.dataset.about === about) notice.remove();
}

/** Carries out one command and tells the person when it is refused. */
async function attempt(command, fields) {
  try {
    return await socket.request(command, fields);
  } catch (error) {
    notify("error", error.message);
    return null;
  }
}

// --- sign in and out ----------------------------------------------------------------------------------------

/** With a token of somewhere else. */
function signIn(token) {
  return enter(session.byToken(token));
}

async function signInByPassword(user, password) {
  $("notices").replaceChildren();
  try {
    await enter(await session.byPassword(user, password));
  } catch (error) {
    notify("error", `Not signed in: ${error.message}`);
  }
}

async function enter(token) {
  $("notices").replaceChildren();
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
  notify("error", `Signed out: ${reason}. Sign in again.`);
  setTimeout(() => {
    if (!socket.identity) for (const id of [...state.legs.keys()]) dropLeg(id);
  }, LINGER_MS);
}

/** Shows what this bridge offers; a pasted token always works. */
async function showWays() {
  const ways = await session.ways().catch(() => ({ password: false }));
  $("password-form").hidden = !ways.password;
  $("issuer-way").hidden = !ways.issuer;
  $("issuer-name").textContent = ways.issuer ?? "";
  $("token-details").open = !ways.password;
}

function signOut() {
  session.forget();
  for (const id of [...state.legs.keys()]) dropLeg(id);
  state.presence = { presence: "offline", role: "agent" };
  for (const map of [state.offers, state.interactions, state.wrapUps, state.users]) map.clear();
  readiness.want(false);
  socket.close();
  render();
}

/** After signing in or coming back. With its place in the events kept, what was missed comes by itself. */
async function comeBack() {
  const wished = state.presence;
  if (socket.identity.resumed) await resume();
  else await refresh();
  // What is wished here, not what the bridge took it for meanwhile.
  if (["ready", "away"].includes(wished.presence)) state.presence = wished;
  if (["ready", "away"].includes(state.presence.presence)) await attempt("setPresence", state.presence);
  await readiness.want(state.presence.presence === "ready");
  render();
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
  const listed = await attempt("listInteractions");
  state.interactions.clear();
  state.wrapUps.clear();
  for (const interaction of listed?.interactions ?? []) takeInteraction(interaction);
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
  const known = state.users.get(socket.identity?.userId);
  if (known && state.presence.presence === "offline") state.presence = { presence: known.presence, role: known.role };
}

// --- presence and offers ------------------------------------------------------------------------------------

async function setPresence(presence, role = state.presence.role) {
  const trouble = browserTrouble();
  if (trouble && presence === "ready") {
    notify("error", trouble);
    return;
  }
  if (presence === "ready") await checkDevices(false);
  if (await attempt("setPresence", { presence, role })) state.presence = { presence, role };
  render();
  await readiness.want(state.presence.presence === "ready");
}

/** Asks for permission before the first call, not during it. */
async function checkDevices(show) {
  const found = await openDevices({ camera: true, processing: options.processing });
  const tracks = [found.audio, found.video].filter(Boolean);
  const result = found.troubles.join(" ") || "Camera and microphone work.";
  if (found.troubles.length) notify("warning", result);
  if (!show || !found.video) {
    for (const track of tracks) track.stop();
  } else {
    $("check-picture").srcObject = new MediaStream([found.video]);
    $("check-picture").hidden = false;
    setTimeout(() => {
      for (const track of tracks) track.stop();
      $("check-picture").hidden = true;
    }, 5000);
  }
  if (show) $("check-result").textContent = result;
}

async function accept(offer) {
  state.offers.delete(offer.offerId);
  render();
  const reply = await attempt("acceptOffer", { offerId: offer.offerId });
  if (reply) takeInteraction(reply.interaction);
  render();
}

async function reject(offer) {
  state.offers.delete(offer.offerId);
  render();
  await attempt("rejectOffer", { offerId: offer.offerId, reason: "rejected at the desktop" });
}

// --- interactions and their media ---------------------------------------------------------------------------

function ownPart(interaction) {
  const userId = socket.identity?.userId;
  return interaction.participants.find((p) => p.userId === userId && p.state !== "disconnected");
}

/** The newest picture of an interaction: keeps it, and brings or ends the media that go with it. */
function takeInteraction(interaction) {
  const id = interaction.interactionId;
  const me = ownPart(interaction);
  if (me?.state === "wrap-up") state.wrapUps.set(id, { interaction, me });
  else state.wrapUps.delete(id);
  if (interaction.state === "ended" || !me || me.state === "wrap-up") {
    state.interactions.delete(id);
    dropLeg(id);
    return;
  }
  state.interactions.set(id, interaction);
  if (["connecting", "in-session", "held"].includes(me.state)) join(interaction);
  const microphone = state.legs.get(id)?.microphone;
  if (microphone) microphone.enabled = !me.muted;
}

/** A call becomes a video conference when somebody is in it, or is asked, with video, or has a video phone.
 * Whoever listens in turns no camera on. */
function isVideo(interaction) {
  const present = interaction.participants.filter((p) => p.state !== "disconnected" && p.role !== "supervisor");
  return maySendVideo() && present.some((p) => p.type === "video" || (p.role === "customer" && takesVideo(p)));
}

function takesVideo({ capabilities }) {
  return capabilities.video.send || capabilities.video.receive;
}

function maySendVideo() {
  return Boolean(socket.identity?.scopes.includes(VIDEO_SCOPE));
}

async function join(interaction) {
  const id = interaction.interactionId;
  const camera = isVideo(interaction);
  if (state.legs.has(id)) {
    const leg = state.legs.get(id);
    if (leg && camera && !leg.cameraAsked) await startCamera(leg);
    return;
  }
  state.legs.set(id, null); // taken, so that the next event does not open the devices a second time
  const found = await openDevices({ camera, processing: options.processing });
  for (const trouble of found.troubles) notify("warning", trouble);
  const wanted = state.interactions.has(id) && state.legs.get(id) === null;
  if (!wanted || !window.RTCPeerConnection) {
    for (const track of [found.audio, found.video]) track?.stop();
    if (!wanted) state.legs.delete(id);
    return;
  }
  const leg = new Leg(socket, id, { ...found, codec: options.codec });
  leg.cameraAsked = camera;
  state.legs.set(id, leg);
  leg.addEventListener("change", () => {
    if (leg.pc.connectionState === "connected") settled(id);
    render();
  });
  leg.addEventListener("trouble", ({ detail }) => notify("error", `No sound and picture: ${detail.message}`, id));
  // What happened while the devices opened: a mute, or a wish for video.
  const latest = state.interactions.get(id);
  takeInteraction(latest);
  render();
}

async function startCamera(leg) {
  leg.cameraAsked = true;
  const { track, trouble } = await openCamera();
  if (trouble) notify("warning", trouble);
  if (track && leg.closed) track.stop();
  else if (track) leg.addCamera(track, options.codec);
}

function dropLeg(id) {
  state.legs.get(id)?.close();
  state.legs.delete(id);
  state.figures.delete(id);
}

function rejoin(id) {
  dropLeg(id);
  setTimeout(() => {
    const interaction = state.interactions.get(id);
    if (interaction) takeInteraction(interaction);
    render();
  }, REJOIN_AFTER_MS);
}

const actions = {
  userId: () => socket.identity?.userId ?? null,
  maySendVideo,
  accept,
  reject,
  muteMe: (interaction, muted) => actions[muted ? "mute" : "unmute"](interaction, ownPart(interaction)),
  switchCamera(interaction) {
    const leg = state.legs.get(interaction.interactionId);
    if (leg?.camera) leg.camera.enabled = !leg.camera.enabled;
    else if (leg) startCamera(leg);
    render();
  },
  leave: ({ interactionId }) => attempt("leaveInteraction", { interactionId }),
  end: ({ interactionId }) => attempt("endInteraction", { interactionId }),
  add: ({ interactionId }, userId, type) => attempt("addParticipant", { interactionId, userId, type, role: "sme" }),
  async completeWrapUp({ interactionId }, code, note) {
    if (await attempt("completeWrapUp", { interactionId, code, note })) state.wrapUps.delete(interactionId);
    render();
  },
  async wrapUpCodes({ queueId }) {
    const reply = queueId && (await socket.request("getQueue", { queueId }).catch(() => null));
    return reply?.queue.wrapUpCodes ?? [];
  },
  note: ({ interactionId }, attributes) => attempt("setAttributes", { interactionId, attributes }),
};
for (const verb of ["mute", "unmute", "hold", "resume", "remove"]) {
  actions[verb] = ({ interactionId }, { participantId }) =>
    attempt(`${verb}Participant`, { interactionId, participantId });
}

// --- events -------------------------------------------------------------------------------------------------

const onEvent = {
  interactionUpdated: ({ interaction }) => takeInteraction(interaction),
  offerMade: ({ offer }) => state.offers.set(offer.offerId, offer),
  offerEnded: ({ offer }) => state.offers.delete(offer.offerId),
  userUpdated({ user }) {
    state.users.set(user.userId, user);
    if (user.userId === socket.identity?.userId) {
      if (user.presence === "not-responding" && state.presence.presence === "ready") {
        notify("warning", "An offer was not answered, so you are no longer ready. Go ready again when you are.");
      }
      state.presence = { presence: user.presence, role: user.role };
      if (!user.busy) state.wrapUps.clear(); // done, or its time is over
      readiness.want(user.presence === "ready");
    }
  },
  mediaOffered: ({ interactionId, legId, sdp }) => state.legs.get(interactionId)?.receiveOffer(legId, sdp),
  mediaEnded({ interactionId, legId, rejoin: again, reason }) {
    if (state.legs.get(interactionId)?.legId !== legId) return;
    notify("warning", `Sound and picture ended: ${reason}.${again ? " They are being connected again." : ""}`, interactionId);
    if (again) rejoin(interactionId);
    else dropLeg(interactionId);
  },
  videoPathChosen({ path, reason }) {
    if (path === "none") notify("warning", `A picture cannot be shown: ${reason}`);
  },
  legDiagnosed({ interactionId, participantId, legId, diagnoses }) {
    const participant = state.interactions.get(interactionId)?.participants.find((p) => p.participantId === participantId);
    if (participant) participant.diagnoses = [...participant.diagnoses.filter((one) => one.legId !== legId), ...diagnoses];
  },
  promptEnded({ prompt, error }) {
    if (error) notify("warning", `The prompt ${prompt} was not played: ${error}`);
  },
  tokenExpiring() {
    if (session.renewable) return; // a fresh one is on its way
    notify("warning", "Your access token ends in a minute. Sign out and in with a fresh one.");
  },
};
for (const [name, handle] of Object.entries(onEvent)) {
  socket.addEventListener(name, ({ detail }) => {
    state.events.push(detail);
    if (state.events.length > 500) state.events.shift();
    handle(detail);
    render();
  });
}
readiness.addEventListener("change", render);
socket.addEventListener("refused", ({ detail }) => notify("error", detail.reason));
socket.addEventListener("state", ({ detail }) => {
  state.connection = detail.state;
  if (detail.state === "offline" && detail.reason) signedOut(detail.reason);
  if (detail.state === "online") comeBack();
  render();
});

// --- the page -----------------------------------------------------------------------------------------------

function render() {
  const signedIn = socket.identity !== null;
  showBadge($("link"), state.connection, { online: "connected", connecting: "connecting …", offline: "not signed in" }[state.connection]);
  $("sign-in").hidden = signedIn;
  for (const id of ["desktop", "presence", "who"]) $(id).hidden = !signedIn;
  $("who-name").textContent = socket.identity?.name ?? "";
  for (const button of $("presence").querySelectorAll("button")) {
    const { presence, role } = button.dataset;
    const same = presence === state.presence.presence && (presence !== "ready" || role === state.presence.role);
    showPressed(button, same);
  }
  renderCards();
  renderUsers();
  renderReadiness();
  $("idle").hidden = state.interactions.size + state.offers.size + state.wrapUps.size > 0;
  $("idle-text").textContent = idleText();
}

function idleText() {
  if (state.presence.presence !== "ready") return "Go ready to be offered the next caller.";
  if (!$("readiness").hidden && $("readiness").dataset.stops) return "You went ready, but nothing rings here before that is put right.";
  if (readiness.troubles === null) return "Checking microphone, camera and the way for sound and picture …";
  const work = state.users.get(socket.identity?.userId)?.status === "wrap-up";
  return work ? "The time for the work after your last call still runs; then the next offer rings here." : "You are ready: the next offer rings here.";
}

const BROKEN = "The connection to the bridge broke and is tried again every few seconds. If it stays so, ask whether the "
  + "bridge runs and can be reached. The caller is not hung up on.";

/** What keeps offers away although one is ready, with what to do about it. */
function renderReadiness() {
  const { microphone, camera, path } = readiness.troubles ?? {};
  const stops = [microphone, path].filter(Boolean);
  const broken = socket.identity !== null && state.connection !== "online";
  const text = socket.identity === null ? "" : broken ? BROKEN : stops.length ? `You are offered nothing: ${stops.join(" ")}` : camera ? `You are offered no video: ${camera}` : "";
  $("readiness").dataset.stops = broken || stops.length ? "yes" : "";
  $("readiness").hidden = !text;
  if ($("readiness").textContent !== text) $("readiness").textContent = text;
}

function renderCards() {
  keep($("offers"), offerCards, [...state.offers.keys()], (id) => new OfferCard(state.offers.get(id), actions));
  ring(state.offers.size > 0);
  const make = (id) => new InteractionCard(id, actions);
  // What only rings here is shown by its offer.
  const shown = [...state.interactions].filter(([, interaction]) => ownPart(interaction).state !== "alerting");
  keep($("interactions"), interactionCards, shown.map(([id]) => id), make);
  for (const [id, interaction] of shown) interactionCards.get(id).show(interaction, state.legs.get(id));
  keep($("wrap-ups"), wrapUpCards, [...state.wrapUps.keys()], (id) => new WrapUpCard(state.wrapUps.get(id), actions));
}

function renderUsers() {
  const users = [...state.users.values()].sort((a, b) => a.name.localeCompare(b.name));
  $("users").replaceChildren(
    ...users.map((user) => {
      const line = element("li", `${user.name} (${user.role === "sme" ? "expert" : user.role}) `);
      const badge = element("span");
      badge.className = "badge";
      showBadge(badge, user.status);
      badge.title = user.fault;
      line.append(badge);
      return line;
    }),
  );
  $("user-ids").replaceChildren(
    ...users.map((user) => Object.assign(document.createElement("option"), { value: user.userId })),
  );
}

setInterval(async () => {
  for (const card of [...offerCards.values(), ...wrapUpCards.values()]) card.tick();
  for (const [id, leg] of state.legs) {
    if (!leg) continue;
    const figures = await readFigures(leg.pc);
    state.figures.set(id, figures);
    interactionCards.get(id)?.showFigures(figures);
  }
}, 1000);

session.addEventListener("renewed", ({ detail }) => socket.renew(detail.token).catch(() => {}));
session.addEventListener("ended", ({ detail }) => {
  if (!socket.identity) return; // the socket tells it
  socket.close();
  signedOut(detail.reason);
});

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
