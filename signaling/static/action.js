// What the buttons of the cards do.

import { attempt, ownUserId, socket } from "./bridge.js";
import { maySendVideo, ownPart, startCamera, takeInteraction } from "./conversation.js";
import { supervise } from "./floor.js";
import { changed, state } from "./state.js";

async function accept(offer) {
  state.offers.delete(offer.offerId);
  changed();
  const reply = await attempt("acceptOffer", { offerId: offer.offerId });
  if (reply) takeInteraction(reply.interaction);
  changed();
}

async function reject(offer) {
  state.offers.delete(offer.offerId);
  changed();
  await attempt("rejectOffer", { offerId: offer.offerId, reason: "rejected at the desktop" });
}

export const actions = {
  userId: ownUserId,
  maySendVideo,
  accept,
  reject,
  muteMe: (interaction, muted) => actions[muted ? "mute" : "unmute"](interaction, ownPart(interaction)),
  switchCamera(interaction) {
    const leg = state.legs.get(interaction.interactionId);
    if (leg?.camera) leg.camera.enabled = !leg.camera.enabled;
    else if (leg) startCamera(leg);
    changed();
  },
  leave: ({ interactionId }) => attempt("leaveInteraction", { interactionId }),
  end: ({ interactionId }) => attempt("endInteraction", { interactionId }),
  add: ({ interactionId }, userId, type) => attempt("addParticipant", { interactionId, userId, type, role: "sme" }),
  bringIn: ({ interactionId }, whom, type) => attempt("addParticipant", { interactionId, ...whom, type }),
  consult: ({ interactionId }, whom, type) => attempt("consultParticipant", { interactionId, ...whom, type }),
  transferBlind: ({ interactionId }, whom, type) => attempt("transferBlind", { interactionId, ...whom, type }),
  completeTransfer: ({ interactionId }) => attempt("completeTransfer", { interactionId }),
  mergeConsult: ({ interactionId }) => attempt("mergeConsult", { interactionId }),
  cancelTransfer: ({ interactionId }) => attempt("cancelTransfer", { interactionId }),
  async holdCaller(interaction) {
    const callers = interaction.participants.filter((p) => p.role === "customer" && ["in-session", "held"].includes(p.state));
    const held = callers.some((p) => p.state === "held");
    for (const caller of callers) await actions[held ? "resume" : "hold"](interaction, caller);
  },
  callBack({ interactionId }, number, when) {
    const wish = { ...(number && { number }), ...(when && { notBefore: new Date(when).toISOString() }) };
    return attempt("requestCallback", { interactionId, ...wish });
  },
  startFlow: ({ interactionId }, flowId) => attempt("startFlow", { interactionId, flowId }),
  stopFlow: ({ interactionId }, { flowRunId }) => attempt("stopFlow", { interactionId, flowRunId }),
  supervise,
  async completeWrapUp({ interactionId }, code, note) {
    if (await attempt("completeWrapUp", { interactionId, code, note })) state.wrapUps.delete(interactionId);
    changed();
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
