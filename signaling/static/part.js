// Building blocks of the page: parts of a template by name, lists that keep their elements.

/** A copy of a template and its parts by data-part. All text goes in as text, never as markup. */
export function build(templateId) {
  const root = document.getElementById(templateId).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const element of root.querySelectorAll("[data-part]")) parts[element.dataset.part] = element;
  return { root, ...parts };
}

/** Makes `parent` show one child per key in order; existing children stay, so that focus and video stay. */
export function keep(parent, cards, keys, make) {
  for (const [key, card] of cards) {
    if (!keys.includes(key)) {
      card.root.remove();
      cards.delete(key);
    }
  }
  keys.forEach((key, index) => {
    if (!cards.has(key)) cards.set(key, make(key));
    const { root } = cards.get(key);
    if (parent.children[index] !== root) parent.insertBefore(root, parent.children[index] ?? null);
  });
}

export function showBadge(element, state, text = state) {
  element.dataset.state = state;
  if (element.textContent !== text) element.textContent = text;
}

export function showPressed(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/** Name and value pairs that say something; unchanged ones are left alone. */
export function showFacts(list, facts) {
  facts = facts.filter(([, value]) => value !== "");
  const text = JSON.stringify(facts);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

export function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
