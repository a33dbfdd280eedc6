// What a person is told at the top of the page, until it is dismissed or well again.

import { element } from "./part.js";
import { state } from "./state.js";

const SHOWN = 4;
const KEPT = 100;
const list = document.getElementById("notices");

/** `about` is what the notice is about, for `settled`. */
export function notify(kind, text, about = "") {
  state.notices.push({ kind, text });
  if (state.notices.length > KEPT) state.notices.shift();
  if ([...list.children].some((shown) => shown.firstChild.textContent === text)) return;
  const notice = element("div");
  notice.className = "notice";
  notice.dataset.kind = kind;
  notice.dataset.about = about;
  const close = element("button", "Dismiss");
  close.className = "small";
  close.addEventListener("click", () => notice.remove());
  notice.append(element("span", text), close);
  list.append(notice);
  while (list.children.length > SHOWN) list.firstChild.remove();
}

/** It is well again: what was said about it makes way. */
export function settled(about) {
  for (const notice of [...list.children]) if (notice.dataset.about === about) notice.remove();
}

export function clearNotices() {
  list.replaceChildren();
}
