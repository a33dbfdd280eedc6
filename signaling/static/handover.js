// The part of a card that brings somebody in, hands the call over, calls back and starts a flow.

import { build, element } from "./part.js";
import { state } from "./state.js";
import { nameOf, whomOf } from "./whom.js";

/** `actions` as the cards get them; `latest` gives the interaction as it is now. */
export class Handover {
  constructor(parts, actions, latest) {
    this.parts = parts;
    const whom = (verb) => {
      if (!parts.add.reportValidity()) return;
      actions[verb](latest(), whomOf(parts.expert.value), parts.video.checked ? "video" : "voice");
      parts.expert.value = "";
    };
    parts.add.addEventListener("submit", (event) => {
      event.preventDefault();
      whom("bringIn");
    });
    parts.consult.addEventListener("click", () => whom("consult"));
    parts.blind.addEventListener("click", () => whom("transferBlind"));
    for (const verb of ["completeTransfer", "mergeConsult", "cancelTransfer"]) {
      parts[verb].addEventListener("click", () => actions[verb](latest()));
    }
    parts.callback.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.callBack(latest(), parts.number.value.trim(), parts.when.value);
    });
    parts.flow.addEventListener("submit", (event) => {
      event.preventDefault();
      actions.startFlow(latest(), parts.flowId.value);
    });
    parts.stop.addEventListener("click", () => actions.stopFlow(latest(), running(latest())));
  }

  show(interaction, me) {
    const { parts } = this;
    const { transfer } = interaction;
    parts.add.hidden = transfer !== null;
    parts.transfer.hidden = transfer === null;
    parts.later.hidden = transfer !== null;
    if (transfer) this.#showTransfer(interaction, transfer, transfer.initiatorId === me.participantId);
    if (parts.number.placeholder !== interaction.caller) parts.number.placeholder = interaction.caller;
    this.#showFlows(interaction);
  }

  #showTransfer({ participants }, { kind, state: how, targetId }, mine) {
    const { parts } = this;
    const name = nameOf(participants.find(({ participantId }) => participantId === targetId));
    const talking = kind === "consult" && how === "consulting";
    parts.transferText.textContent = kind === "blind"
      ? `The call goes to ${name} as soon as ${name} is there. The caller hears music.`
      : talking ? `You talk with ${name} alone. The caller hears music.` : `Asking ${name} … The caller hears music.`;
    for (const verb of ["completeTransfer", "mergeConsult"]) {
      parts[verb].hidden = kind !== "consult";
      parts[verb].disabled = !talking || !mine;
    }
    parts.cancelTransfer.disabled = !mine;
  }

  #showFlows(interaction) {
    const { parts } = this;
    const run = running(interaction);
    const flows = [...state.flows.values()].filter(({ kind }) => kind !== "inbound");
    parts.flow.hidden = flows.length === 0 || run !== null || interaction.transfer !== null;
    parts.running.hidden = run === null;
    if (run) parts.runningText.textContent = `${state.flows.get(run.flowId)?.name ?? run.flowId} is at “${run.step}”.`;
    const shown = JSON.stringify(flows);
    if (parts.flowId.dataset.shown === shown) return;
    parts.flowId.dataset.shown = shown;
    const { value } = parts.flowId;
    parts.flowId.replaceChildren(...flows.map(({ flowId, name }) => Object.assign(element("option", name), { value: flowId })));
    if (flows.some(({ flowId }) => flowId === value)) parts.flowId.value = value;
  }
}

/** The flow somebody started and that is not through. */
function running({ flows }) {
  return flows.find(({ step, kind }) => step !== "" && kind !== "inbound") ?? null;
}

/** Makes the parts of the template one with those of its card. */
export function handoverParts(parts) {
  const made = build("handover-template");
  parts.handover.append(made.root);
  return { ...parts, ...made, root: parts.root };
}
