// What is shown of an offer and of an interaction. Each card gets the state and calls back; it decides nothing.

import { describeFigures } from "./figure.js";
import { Handover, handoverParts } from "./handover.js";
import { build, element, keep, showBadge, showFacts, showPressed } from "./part.js";
import { factsOf, NoteForm } from "./sidebar.js";

const MODES = ["monitor", "whisper", "coach"];
const ROLES = { customer: "customer", agent: "agent", sme: "expert", supervisor: "supervisor" };

function describeDiagnosis({ medium, direction, text }) {
  const what = { "audio up": "Not heard", "audio down": "Hears nothing", "video up": "Not seen", "video down": "Sees nothing" };
  return `${what[`${medium} ${direction}`]}: ${text}`;
}

export class OfferCard {
  constructor(offer, actions) {
    const parts = build("offer-template");
    this.root = parts.root;
    this.parts = parts;
    const kind = offer.role === "sme" ? "Expert wanted" : "Caller waiting";
    parts.title.textContent = `${kind}: ${offer.caller || "unknown caller"} (${offer.type})`;
    parts.accept.addEventListener("click", () => actions.accept(offer));
    parts.reject.addEventListener("click", () => actions.reject(offer));
    this.endsAt = Date.parse(offer.expiresAt);
    this.tick();
  }

  show(offer) {
    showFacts(this.parts.facts, factsOf(offer.attributes));
  }

  tick() {
    const seconds = Math.max(0, Math.round((this.endsAt - Date.now()) / 1000));
    showBadge(this.parts.countdown, "alerting", `${seconds} s left`);
  }
}

/** The work after a call: what came of it, a note, and how long there is for it. */
export class WrapUpCard {
  constructor({ interaction, me }, actions) {
    const parts = build("wrap-up-template");
    this.root = parts.root;
    this.parts = parts;
    parts.title.textContent = `After the call from ${interaction.caller || "unknown"}`;
    parts.id.textContent = interaction.interactionId;
    parts.codes.hidden = true;
    parts.form.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.completeWrapUp(interaction, parts.code.value, parts.note.value);
    });
    this.endsAt = Date.parse(me.wrapUpBy);
    this.tick();
    actions.wrapUpCodes(me).then((codes) => this.#offer(codes));
  }

  /** Without codes of the queue there is nothing to choose. */
  #offer(codes) {
    this.parts.codes.hidden = codes.length === 0;
    const options = codes.map((code) => Object.assign(element("option", code), { value: code }));
    this.parts.code.replaceChildren(Object.assign(element("option", "none"), { value: "" }), ...options);
  }

  tick() {
    const seconds = Math.max(0, Math.round((this.endsAt - Date.now()) / 1000));
    showBadge(this.parts.countdown, "waiting", `${seconds} s left`);
  }
}

export class InteractionCard {
  #rows = new Map();
  #tiles = new Map();
  #actions;
  #latest = null;

  constructor(interactionId, actions) {
    this.#actions = actions;
    this.parts = handoverParts(build("interaction-template"));
    this.root = this.parts.root;
    const { parts } = this;
    this.handover = new Handover(parts, actions, () => this.#latest);
    parts.holdCaller.addEventListener("click", () => actions.holdCaller(this.#latest));
    for (const mode of MODES) parts[mode].addEventListener("click", () => actions.supervise(interactionId, mode));
    parts.id.textContent = interactionId;
    parts.mute.addEventListener("click", () => actions.muteMe(this.#latest, !this.#me()?.muted));
    parts.camera.addEventListener("click", () => actions.switchCamera(this.#latest));
    parts.leave.addEventListener("click", () => actions.leave(this.#latest));
    parts.end.addEventListener("click", () => actions.end(this.#latest));
    new NoteForm(parts, (name, value) => actions.note(this.#latest, { [name]: value }));
  }

  #me() {
    return this.#latest?.participants.find((p) => p.userId === this.#actions.userId() && p.state !== "disconnected");
  }

  show(interaction, leg) {
    this.#latest = interaction;
    const { parts } = this;
    parts.title.textContent = `Call from ${interaction.caller || "unknown"}`;
    showBadge(parts.state, interaction.state);
    const state = leg ? leg.pc.connectionState : "offline";
    showBadge(parts.media, state, leg ? `media ${state}` : "no media");
    showPressed(parts.mute, Boolean(this.#me()?.muted));
    parts.camera.disabled = !leg || !this.#actions.maySendVideo();
    showPressed(parts.camera, Boolean(leg?.camera?.enabled));
    showFacts(parts.facts, [["Called", interaction.called], ...factsOf(interaction.attributes)]);
    this.#showRole(interaction, this.#me());
    const live = interaction.participants.filter((p) => p.state !== "disconnected");
    keep(parts.participants, this.#rows, live.map((p) => p.participantId), (id) => this.#row(id));
    const supervises = this.#me()?.role === "supervisor";
    for (const participant of live) this.#rows.get(participant.participantId).show(participant, this.#actions.userId(), supervises);
    this.#showTiles(interaction, leg);
    if (parts.sound.srcObject !== (leg?.sound ?? null)) parts.sound.srcObject = leg?.sound ?? null;
  }

  /** Who supervises listens and changes nothing: what would is not there. */
  #showRole(interaction, me) {
    const { parts } = this;
    const supervises = me?.role === "supervisor";
    parts.supervision.hidden = !supervises;
    for (const mode of MODES) showPressed(parts[mode], me?.supervision?.mode === mode);
    for (const part of [parts.handover, parts.holdCaller, parts.end, parts.note]) part.hidden = supervises;
    const held = interaction.participants.some((p) => p.role === "customer" && p.state === "held");
    showPressed(parts.holdCaller, held);
    parts.holdCaller.textContent = held ? "Back from hold" : "Hold caller";
    parts.holdCaller.disabled = interaction.transfer !== null;
    if (!supervises && me) this.handover.show(interaction, me);
  }

  showFigures(figures) {
    this.parts.figures.textContent = describeFigures(figures);
  }

  #row(participantId) {
    return new ParticipantRow((action, participant) => this.#actions[action](this.#latest, participant));
  }

  #showTiles(interaction, leg) {
    const pictures = new Map(leg?.pictures ?? []);
    if (leg?.camera) pictures.set("self", (leg.preview ??= new MediaStream([leg.camera])));
    keep(this.parts.tiles, this.#tiles, [...pictures.keys()], (key) => new Tile(key));
    for (const [key, stream] of pictures) {
      const owner = interaction.participants.find((p) => p.participantId === key);
      const name = key === "self" ? "You" : owner?.name || owner?.userId || "video";
      this.#tiles.get(key).show(stream, name);
    }
  }
}

class ParticipantRow {
  #latest = null;

  constructor(act) {
    this.parts = build("participant-template");
    this.root = this.parts.root;
    this.parts.mute.addEventListener("click", () => act(this.#latest.muted ? "unmute" : "mute", this.#latest));
    this.parts.hold.addEventListener("click", () => act(this.#latest.state === "held" ? "resume" : "hold", this.#latest));
    this.parts.remove.addEventListener("click", () => act("remove", this.#latest));
  }

  /** Who `supervises` changes nothing for others, and would only be refused. */
  show(participant, ownUserId, supervises) {
    this.#latest = participant;
    const { parts } = this;
    const mine = participant.userId !== null && participant.userId === ownUserId;
    const name = participant.name || participant.address || participant.userId || participant.participantId;
    parts.name.textContent = `${name}${mine ? " (you)" : ""}, ${ROLES[participant.role] ?? participant.role}`;
    this.root.dataset.participant = participant.participantId;
    const text = participant.heldByRemote ? `${participant.state}, phone on hold` : participant.state;
    showBadge(parts.state, participant.state, text);
    showPressed(parts.mute, participant.muted);
    parts.mute.textContent = participant.muted ? "Muted" : "Mute";
    showPressed(parts.hold, participant.state === "held");
    parts.hold.textContent = participant.state === "held" ? "On hold" : "Hold";
    parts.why.textContent = participant.diagnoses.map(describeDiagnosis).join("; ");
    parts.why.hidden = participant.diagnoses.length === 0;
    parts.mute.setAttribute("aria-label", `Mute ${name}`);
    parts.hold.setAttribute("aria-label", `Hold ${name}`);
    parts.remove.setAttribute("aria-label", `Remove ${name}`);
    parts.hold.disabled = !["in-session", "held"].includes(participant.state);
    parts.remove.hidden = mine;
    parts.acts.hidden = supervises;
  }
}

class Tile {
  constructor(key) {
    this.root = document.getElementById("tile-template").content.firstElementChild.cloneNode(true);
    this.root.classList.toggle("self", key === "self");
    this.root.dataset.participant = key;
    this.video = this.root.querySelector("video");
    this.caption = this.root.querySelector("figcaption");
  }

  show(stream, name) {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
    this.caption.textContent = name;
    this.video.setAttribute("aria-label", `Picture of ${name}`);
  }
}
