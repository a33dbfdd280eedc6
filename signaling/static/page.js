// The page: what of the state is shown where.

import { openAccounts, seesAccounts } from "./account.js";
import { actions } from "./action.js";
import { ring } from "./bell.js";
import { ownUserId, socket } from "./bridge.js";
import { InteractionCard, OfferCard, WrapUpCard } from "./card.js";
import { ownPart } from "./conversation.js";
import { readFigures } from "./figure.js";
import { element, keep, showBadge, showPressed } from "./part.js";
import { idleText, showReadiness } from "./presence.js";
import { state, watch } from "./state.js";
import { showChoices } from "./whom.js";

const $ = (id) => document.getElementById(id);
const offerCards = new Map();
const interactionCards = new Map();
const wrapUpCards = new Map();

/** The calls stay in sight in every view: nobody misses one while looking at something else. */
export function showView(view) {
  state.view = view;
  if (view === "accounts") openAccounts();
  render();
}

function showViews() {
  $("views").hidden = socket.identity === null || !seesAccounts();
  if ($("views").hidden) state.view = "calls";
  for (const button of $("views").children) {
    if (button.dataset.view === state.view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
    $(button.dataset.view).hidden = button.dataset.view !== state.view;
  }
}

/** Shows everything as it is now; called after every change. */
export function render() {
  const signedIn = socket.identity !== null;
  showBadge($("link"), state.connection, { online: "connected", connecting: "connecting …", offline: "not signed in" }[state.connection]);
  $("sign-in").hidden = signedIn;
  for (const id of ["desktop", "presence", "who"]) $(id).hidden = !signedIn;
  $("who-name").textContent = socket.identity?.name ?? "";
  const roles = socket.identity?.roles ?? [];
  for (const button of $("presence").querySelectorAll("button")) {
    const { presence, role } = button.dataset;
    const same = presence === state.presence.presence && (presence !== "ready" || role === state.presence.role);
    showPressed(button, same);
    button.hidden = presence === "ready" ? !roles.includes(role) : roles.length === 0;
  }
  showViews();
  showCards();
  showUsers();
  showReadiness();
  $("idle").hidden = state.interactions.size + state.offers.size + state.wrapUps.size > 0;
  $("idle-text").textContent = idleText();
}

function showCards() {
  keep($("offers"), offerCards, [...state.offers.keys()], (id) => new OfferCard(state.offers.get(id), actions));
  for (const [id, card] of offerCards) card.show(state.offers.get(id));
  ring(state.offers.size > 0);
  const make = (id) => new InteractionCard(id, actions);
  // What only rings here is shown by its offer.
  const shown = [...state.interactions].filter(([, interaction]) => ownPart(interaction).state !== "alerting");
  keep($("interactions"), interactionCards, shown.map(([id]) => id), make);
  for (const [id, interaction] of shown) interactionCards.get(id).show(interaction, state.legs.get(id));
  keep($("wrap-ups"), wrapUpCards, [...state.wrapUps.keys()], (id) => new WrapUpCard(state.wrapUps.get(id), actions));
}

function showUsers() {
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
  showChoices($("user-ids"), ownUserId());
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

watch(render);
