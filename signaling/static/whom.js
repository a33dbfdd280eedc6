// Whom one names when somebody is to come: a colleague, a queue, or a phone.

import { element } from "./part.js";
import { state } from "./state.js";

const PHONE = /^(\+\d|sips?:|tel:)/;

/** What the commands want of whoever stands in the field: a queue by id or name, a phone, else a user. */
export function whomOf(text) {
  const named = text.trim();
  const queue = [...state.queues.values()].find(({ queueId, name }) => queueId === named || name === named);
  if (queue) return { queueId: queue.queueId, role: queue.role };
  if (PHONE.test(named)) return { address: named, role: "sme" };
  const colleague = [...state.users.values()].find(({ userId, name }) => userId === named || name === named);
  return { userId: colleague?.userId ?? named, role: colleague?.role === "agent" ? "agent" : "sme" };
}

/** Those who can be asked come with their names; who is away is no suggestion. */
export function showChoices(list, ownUserId) {
  const users = [...state.users.values()].filter(({ userId, status }) => userId !== ownUserId && status === "ready");
  const choices = [
    ...users.map(({ userId, name }) => [userId, name]),
    ...[...state.queues.values()].map(({ queueId, name }) => [queueId, `queue: ${name}`]),
  ];
  const text = JSON.stringify(choices);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...choices.map(([value, label]) => Object.assign(element("option", label), { value })));
}

export function nameOf(participant) {
  return participant?.name || participant?.address || participant?.userId || state.queues.get(participant?.queueId)?.name || "somebody";
}
