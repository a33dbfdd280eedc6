// An interaction's data: which of it is shown, in which order, and the form that sets it (`[sidebar]` of the configuration).

import { socket } from "./bridge.js";
import { element } from "./part.js";

let sidebar = { fields: [], others: true };

/** After signing in. A bridge that does not say leaves it as it is. */
export async function loadSidebar() {
  const reply = await socket.request("getSidebar").catch(() => null);
  if (reply) sidebar = reply.sidebar;
  const names = sidebar.fields.filter((field) => field.settable).map((field) => option(field));
  document.getElementById("attribute-names").replaceChildren(...names);
}

/** Label and value of what is to be shown. */
export function factsOf(attributes) {
  const shown = sidebar.fields.map(({ name, label }) => [label || name, attributes[name] ?? ""]);
  const named = new Set(sidebar.fields.map(({ name }) => name));
  const others = Object.entries(attributes).filter(([name]) => !named.has(name));
  return sidebar.others ? [...shown, ...others] : shown;
}

function option({ name, label }) {
  return Object.assign(element("option", label || name), { value: name });
}

/** The parts `name`, `field`, `value` and `choice` of a card; `set` gets a name and a value. */
export class NoteForm {
  #parts;

  constructor(parts, set) {
    this.#parts = parts;
    const settable = sidebar.fields.filter((field) => field.settable);
    parts.note.hidden = !sidebar.others && settable.length === 0;
    // Where any name goes, it is typed; else it is one of a few.
    this.#swap(parts.name, parts.field, sidebar.others);
    parts.field.replaceChildren(...settable.map(option));
    for (const input of [parts.name, parts.field]) input.addEventListener("input", () => this.#suit());
    parts.note.addEventListener("submit", (event) => {
      event.preventDefault();
      set(this.#name, parts.choice.hidden ? parts.value.value : parts.choice.value);
      parts.name.value = parts.value.value = "";
      this.#suit();
    });
    this.#suit();
  }

  get #name() {
    return this.#parts.name.hidden ? this.#parts.field.value : this.#parts.name.value.trim();
  }

  /** The second input suits what the first one names. */
  #suit() {
    const { name, value, choice } = this.#parts;
    const field = sidebar.fields.find((one) => one.name === this.#name);
    const choices = field?.choices ?? [];
    name.setCustomValidity(field && !field.settable ? `${field.label || field.name} is not set here.` : "");
    this.#swap(value, choice, choices.length === 0);
    const shown = [...choice.options].map((one) => one.value);
    if (shown.join("\n") !== choices.join("\n")) choice.replaceChildren(...choices.map((text) => option({ name: text })));
  }

  /** What is hidden must not keep the form from being sent. */
  #swap(one, other, first) {
    one.hidden = one.disabled = !first;
    other.hidden = other.disabled = first;
  }
}
