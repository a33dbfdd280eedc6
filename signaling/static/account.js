// Administering accounts: a list, and one form for a new account or for the one that is being changed.

import { attempt, may, socket } from "./bridge.js";
import { build, element, keep, showBadge, showPressed } from "./part.js";
import { changed, state, watch, whenForgotten } from "./state.js";

const ROLES = { agent: "agent", sme: "expert", supervisor: "supervisor", administrator: "administrator" };
const PAGE = 200;
const $ = (id) => document.getElementById(id);
const fields = $("account-form").elements;
const rows = new Map();
let chosen = null; // the account in the form, null for a new one

/** Whether this desktop's person sees accounts at all. */
export function seesAccounts() {
  return may("user:read");
}

/** All of them: once the view is opened; after that events keep them current. */
export async function openAccounts() {
  let cursor = "";
  state.accounts.clear();
  do {
    const page = await attempt("listAccounts", { cursor, limit: PAGE });
    for (const account of page?.accounts ?? []) state.accounts.set(account.userId, account);
    cursor = page?.nextCursor ?? "";
  } while (cursor);
  changed();
}

class AccountRow {
  constructor(userId) {
    Object.assign(this, build("account-template"));
    this.change.addEventListener("click", () => openForm(state.accounts.get(userId)));
  }

  show(account) {
    this.id.textContent = account.userId;
    this.name.textContent = account.name;
    this.roles.textContent = account.roles.map((role) => ROLES[role] ?? role).join(", ");
    showBadge(this.state, account.disabled ? "failed" : "online", account.disabled ? "disabled" : "enabled");
    this.change.textContent = may("user:write") && !account.configured ? "Change" : "Look at";
    this.change.setAttribute("aria-label", `${this.change.textContent} ${account.userId}`);
  }
}

function showAccounts() {
  const ids = $("accounts").hidden ? [] : [...state.accounts.keys()].sort();
  keep($("account-rows"), rows, ids, (id) => new AccountRow(id));
  for (const id of ids) rows.get(id).show(state.accounts.get(id));
  $("new-account").hidden = !may("user:write");
  if (chosen !== null && state.accounts.has(chosen.userId)) showStanding(state.accounts.get(chosen.userId));
}

// --- the form -----------------------------------------------------------------------------------------------

/** `account` is null for a new one. */
function openForm(account) {
  chosen = account;
  const fixed = !may("user:write") || account?.configured === true;
  $("account-editor").hidden = false;
  $("account-title").textContent = account ? `Account ${account.userId}` : "New account";
  $("account-fixed").hidden = !account?.configured;
  fields.userId.value = account?.userId ?? "";
  fields.userId.readOnly = account !== null;
  fields.name.value = account?.name ?? "";
  fields.email.value = account?.email ?? "";
  for (const box of fields.role) box.checked = (account?.roles ?? ["agent"]).includes(box.value);
  fields.permissions.value = (account?.permissions ?? []).join(" ");
  fields.skills.value = Object.entries(account?.skills ?? {}).map(([name, level]) => `${name} ${level}`).join(", ");
  fields.externalIds.value = (account?.externalIds ?? []).join(", ");
  fields.capacity.value = account?.capacity ?? 1;
  fields.video.checked = account?.video ?? true;
  $("account-fields").disabled = fixed;
  $("account-save").hidden = fixed;
  $("account-password-form").hidden = account === null || fixed;
  $("account-password-form").elements.username.value = account?.userId ?? ""; // whose it is, for who keeps passwords
  $("account-password").value = "";
  showStanding(account);
  $(account ? "account-title" : "account-user").focus();
}

function showStanding(account) {
  $("account-disable").hidden = account === null || !may("user:write");
  $("account-disable").textContent = account?.disabled ? "Enable" : "Disable";
  showPressed($("account-disable"), Boolean(account?.disabled));
  $("account-has-password").textContent = account?.hasPassword ? "There is one already." : "There is none so far.";
}

/** Closes the form, says what was done, and puts the focus where it came from. */
function closeForm(said = "") {
  const { userId } = chosen ?? {};
  putAway();
  $("accounts-said").textContent = said;
  (rows.get(userId)?.change ?? $("new-account")).focus();
}

function putAway() {
  chosen = null;
  $("account-editor").hidden = true;
  $("account-title").textContent = $("accounts-said").textContent = "";
  for (const form of [$("account-form"), $("account-password-form")]) form.reset();
}

/** "Billing 5, Video_Escalation 3" as {name: level}; null if it is no such list. */
export function parseSkills(text) {
  const parts = words(text, ",").map((part) => /^(.*\S)[\s:]+([1-5])$/.exec(part));
  return parts.includes(null) ? null : Object.fromEntries(parts.map(([, name, level]) => [name, Number(level)]));
}

function words(text, separator) {
  return text.split(separator).map((word) => word.trim()).filter(Boolean);
}

/** What the form says, or null after it told what is wrong with it. */
function filledIn() {
  const skills = parseSkills(fields.skills.value);
  fields.skills.setCustomValidity(skills ? "" : "Write each skill with its level from 1 to 5: Billing 5, Video_Escalation 3");
  const roles = [...fields.role].filter((box) => box.checked).map((box) => box.value);
  fields.role[0].setCustomValidity(roles.length ? "" : "An account needs one role at least.");
  if (!$("account-form").reportValidity()) return null;
  return {
    userId: fields.userId.value.trim(),
    name: fields.name.value.trim(),
    email: fields.email.value.trim(),
    roles,
    permissions: words(fields.permissions.value, /\s/),
    skills,
    video: fields.video.checked,
    capacity: Number(fields.capacity.value),
    externalIds: words(fields.externalIds.value, ","),
  };
}

async function save() {
  const wish = filledIn();
  if (wish === null) return;
  const reply = await attempt(chosen ? "changeAccount" : "createAccount", wish);
  if (!reply) return;
  take(reply.account);
  if (chosen) return closeForm(`${wish.userId} is saved.`);
  openForm(reply.account); // a password is next
  $("accounts-said").textContent = `${wish.userId} is there. Set a password, unless an issuer signs people in.`;
  $("account-password").focus();
}

async function setPassword() {
  const { userId } = chosen;
  const password = $("account-password").value;
  $("account-password").value = "";
  if (await attempt("setAccountPassword", { userId, password })) closeForm(`${userId} has a new password.`);
}

async function switchDisabled() {
  const { userId } = chosen;
  const { disabled } = state.accounts.get(userId);
  const reply = await attempt(disabled ? "enableAccount" : "disableAccount", { userId });
  if (!reply) return;
  take(reply.account);
  $("accounts-said").textContent = disabled ? `${userId} may sign in again.` : `${userId} is signed out everywhere.`;
}

function take(account) {
  state.accounts.set(account.userId, account);
  changed();
}

for (const [name, label] of Object.entries(ROLES)) {
  const line = element("label");
  const box = Object.assign(element("input"), { type: "checkbox", name: "role", value: name });
  line.className = "check";
  line.append(box, ` ${label}`);
  $("account-roles").append(line);
}
socket.addEventListener("accountUpdated", ({ detail }) => {
  if (seesAccounts() && state.view === "accounts") take(detail.account);
});
$("new-account").addEventListener("click", () => openForm(null));
$("account-form").addEventListener("input", () => [fields.skills, ...fields.role].forEach((field) => field.setCustomValidity("")));
$("account-form").addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});
$("account-cancel").addEventListener("click", () => closeForm());
$("account-disable").addEventListener("click", switchDisabled);
$("account-password-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setPassword();
});
watch(showAccounts);
whenForgotten(putAway);
