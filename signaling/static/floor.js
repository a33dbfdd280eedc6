// What goes on beyond one's own call: the queues with their figures and, for supervisors, every call.

import { attempt, may, ownUserId, socket } from "./bridge.js";
import { takeInteraction } from "./conversation.js";
import { build, keep, showBadge } from "./part.js";
import { changed, state, watch } from "./state.js";
import { nameOf } from "./whom.js";

const FIGURES_EVERY_MS = 5000;
const $ = (id) => document.getElementById(id);
const queueRows = new Map();
const callRows = new Map();

/** After signing in: what there is. Events keep the calls current, looking again the figures. */
export async function loadFloor() {
  await loadQueues();
  const reply = await socket.request("listFlows").catch(() => null);
  if (reply) state.flows = new Map(reply.flows.map((flow) => [flow.flowId, flow]));
  changed();
}

async function loadQueues() {
  const reply = await socket.request("listQueues").catch(() => null);
  if (reply) state.queues = new Map(reply.queues.map((queue) => [queue.queueId, queue]));
}

class QueueRow {
  constructor() {
    Object.assign(this, build("queue-template"));
  }

  show(queue) {
    const answered = queue.answered ? `${Math.round((100 * queue.answeredInTarget) / queue.answered)} %` : "–";
    this.name.textContent = queue.name;
    showBadge(this.waiting, queue.waiting ? "waiting" : "idle", String(queue.waiting));
    this.longest.textContent = queue.waiting ? duration(queue.longestWaitS) : "–";
    this.answered.textContent = queue.answered;
    this.inTime.textContent = answered;
    this.abandoned.textContent = queue.abandoned;
  }
}

function duration(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

class CallRow {
  constructor(interactionId) {
    Object.assign(this, build("call-template"));
    this.listen.addEventListener("click", () => supervise(interactionId, "monitor"));
  }

  show(interaction) {
    const live = interaction.participants.filter((p) => p.state !== "disconnected" && p.role !== "customer");
    this.caller.textContent = interaction.caller || "unknown";
    showBadge(this.state, interaction.state);
    this.with.textContent = live.map(nameOf).join(", ") || "nobody yet";
    this.listen.hidden = live.some((p) => p.userId === ownUserId());
    this.listen.setAttribute("aria-label", `Listen in on ${this.caller.textContent}`);
  }
}

/** Joins as a supervisor, or changes how one supervises. */
export async function supervise(interactionId, mode) {
  if (!(await attempt("superviseInteraction", { interactionId, mode }))) return;
  const reply = await attempt("getInteraction", { interactionId });
  if (reply) takeInteraction(reply.interaction);
  const camera = state.legs.get(interactionId)?.camera;
  if (camera) camera.enabled = mode === "coach";
  changed();
}

/** Keeps what becomes of every call that this desktop may see. */
export function noteCall(interaction) {
  if (interaction.state === "ended") state.calls.delete(interaction.interactionId);
  else state.calls.set(interaction.interactionId, interaction);
}

function showFloor() {
  $("queues").hidden = state.queues.size === 0;
  keep($("queue-rows"), queueRows, [...state.queues.keys()], () => new QueueRow());
  for (const [id, row] of queueRows) row.show(state.queues.get(id));
  $("all-calls").hidden = !may("interaction:supervise");
  const calls = $("all-calls").hidden ? [] : [...state.calls.keys()];
  $("no-calls").hidden = calls.length > 0;
  keep($("call-rows"), callRows, calls, (id) => new CallRow(id));
  for (const [id, row] of callRows) row.show(state.calls.get(id));
}

setInterval(async () => {
  if (state.connection !== "online" || state.view !== "calls" || document.hidden) return;
  await loadQueues();
  changed();
}, FIGURES_EVERY_MS);
watch(showFloor);
