// The interactions this desktop takes part in, and the media that go with each.

import { may, ownUserId, socket } from "./bridge.js";
import { openCamera, openDevices } from "./device.js";
import { Leg } from "./leg.js";
import { notify, settled } from "./notice.js";
import { changed, options, state } from "./state.js";

const REJOIN_AFTER_MS = 1000;

export function ownPart(interaction) {
  const userId = ownUserId();
  return interaction.participants.find((p) => p.userId === userId && p.state !== "disconnected");
}

/** The newest picture of an interaction: keeps it, and brings or ends the media that go with it. */
export function takeInteraction(interaction) {
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

export function maySendVideo() {
  return may("telephony:video:use");
}

/** Of a supervisor only a coach is seen. */
function showsCamera(interaction, me) {
  return me.role === "supervisor" ? me.supervision?.mode === "coach" && maySendVideo() : isVideo(interaction);
}

async function join(interaction) {
  const id = interaction.interactionId;
  const camera = showsCamera(interaction, ownPart(interaction));
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
    changed();
  });
  leg.addEventListener("trouble", ({ detail }) => notify("error", `No sound and picture: ${detail.message}`, id));
  // What happened while the devices opened: a mute, or a wish for video.
  const latest = state.interactions.get(id);
  takeInteraction(latest);
  changed();
}

export async function startCamera(leg) {
  leg.cameraAsked = true;
  const { track, trouble } = await openCamera();
  if (trouble) notify("warning", trouble);
  if (track && leg.closed) track.stop();
  else if (track) leg.addCamera(track, options.codec);
}

export function dropLeg(id) {
  state.legs.get(id)?.close();
  state.legs.delete(id);
  state.figures.delete(id);
}

export function rejoin(id) {
  dropLeg(id);
  setTimeout(() => {
    const interaction = state.interactions.get(id);
    if (interaction) takeInteraction(interaction);
    changed();
  }, REJOIN_AFTER_MS);
}

export function dropLegs() {
  for (const id of [...state.legs.keys()]) dropLeg(id);
}
