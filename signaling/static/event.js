// What the bridge tells, taken into the state.

import { ownUserId, socket } from "./bridge.js";
import { dropLeg, rejoin, takeInteraction } from "./conversation.js";
import { session } from "./entrance.js";
import { noteCall } from "./floor.js";
import { notify } from "./notice.js";
import { readiness } from "./presence.js";
import { changed, state } from "./state.js";

const EVENTS_KEPT = 500;

const onEvent = {
  interactionUpdated({ interaction }) {
    noteCall(interaction);
    takeInteraction(interaction);
  },
  offerMade: ({ offer }) => state.offers.set(offer.offerId, offer),
  offerEnded: ({ offer }) => state.offers.delete(offer.offerId),
  userUpdated({ user }) {
    state.users.set(user.userId, user);
    if (user.userId === ownUserId()) {
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
  accountUpdated({ account }) {
    // What was taken away is gone already; what was added comes with a fresh token.
    if (account.userId === ownUserId() && !account.disabled && session.renewable) session.renewNow();
  },
  tokenExpiring() {
    if (session.renewable) return; // a fresh one is on its way
    notify("warning", "Your access token ends in a minute. Sign out and in with a fresh one.");
  },
};
for (const [name, handle] of Object.entries(onEvent)) {
  socket.addEventListener(name, ({ detail }) => {
    state.events.push(detail);
    if (state.events.length > EVENTS_KEPT) state.events.shift();
    handle(detail);
    changed();
  });
}
readiness.addEventListener("change", changed);
socket.addEventListener("refused", ({ detail }) => notify("error", detail.reason));
