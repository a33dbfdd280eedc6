// The bridge as this page sees it: one socket, and commands whose refusal a person is told.

import { notify } from "./notice.js";
import { Socket } from "./socket.js";

// Whoever has the wider scope need not have the narrower one (bridge/switchboard/door/principal.py).
const INCLUDED_IN = {"interaction:supervise": "interaction:all"};

export const socket = new Socket();

export function ownUserId() {
  return socket.identity?.userId ?? null;
}

/** Whether the person at this desktop has a scope. */
export function may(scope) {
  const scopes = socket.identity?.scopes ?? [];
  return scopes.includes(scope) || scopes.includes(INCLUDED_IN[scope]);
}

/** Carries out one command and tells the person when it is refused. */
export async function attempt(command, fields) {
  try {
    return await socket.request(command, fields);
  } catch (error) {
    notify("error", error.message);
    return null;
  }
}
