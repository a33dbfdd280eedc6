// Whether this desktop takes offers: what its person wished, and what keeps offers away.

import { attempt, ownUserId, socket } from "./bridge.js";
import { browserTrouble, openDevices } from "./device.js";
import { notify } from "./notice.js";
import { Readiness } from "./readiness.js";
import { changed, options, state } from "./state.js";

const SHOWN_MS = 5000;
const $ = (id) => document.getElementById(id);

export const readiness = new Readiness(socket, () =>
  [...state.legs.values()].some((leg) => leg?.pc.connectionState === "connected"));

export async function setPresence(presence, role = state.presence.role) {
  const trouble = browserTrouble();
  if (trouble && presence === "ready") {
    notify("error", trouble);
    return;
  }
  if (presence === "ready") await checkDevices(false);
  if (await attempt("setPresence", { presence, role })) state.presence = { presence, role };
  changed();
  await readiness.want(state.presence.presence === "ready");
}

/** Asks for permission before the first call, not during it. */
export async function checkDevices(show) {
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
    }, SHOWN_MS);
  }
  if (show) $("check-result").textContent = result;
}

const BROKEN = "The connection to the bridge broke and is tried again every few seconds. If it stays so, ask whether the "
  + "bridge runs and can be reached. The caller is not hung up on.";

/** What keeps offers away although one is ready, with what to do about it. */
export function showReadiness() {
  const broken = socket.identity !== null && state.connection !== "online";
  const text = socket.identity === null ? "" : broken ? BROKEN : troubleText();
  $("readiness").dataset.stops = broken || stops().length ? "yes" : "";
  $("readiness").hidden = !text;
  if ($("readiness").textContent !== text) $("readiness").textContent = text;
}

/** What keeps every offer away. */
function stops() {
  const { microphone, path } = readiness.troubles ?? {};
  return readiness.required ? [microphone, path].filter(Boolean) : [];
}

function troubleText() {
  const troubles = Object.values(readiness.troubles ?? {}).filter(Boolean);
  if (!troubles.length) return "";
  if (!readiness.required) return `Offers ring here, but a call would lack something: ${troubles.join(" ")}`;
  return stops().length ? `You are offered nothing: ${stops().join(" ")}` : `You are offered no video: ${troubles.join(" ")}`;
}

export function idleText() {
  if (state.presence.presence !== "ready") return "Go ready to be offered the next caller.";
  if (!$("readiness").hidden && $("readiness").dataset.stops) return "You went ready, but nothing rings here before that is put right.";
  if (readiness.troubles === null) return "Checking microphone, camera and the way for sound and picture …";
  const work = state.users.get(ownUserId())?.status === "wrap-up";
  return work ? "The time for the work after your last call still runs; then the next offer rings here." : "You are ready: the next offer rings here.";
}
