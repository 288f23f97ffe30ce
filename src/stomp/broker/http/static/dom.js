// Elements of the page. Everything that comes from clients gets into the page as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element with attributes, listeners ("onclick") and children; texts become text nodes. */
export function make(tag, options, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

/** A small button. `name` says what it does, for the focus and for tests; `of` says to what. */
export const button = (name, text, action, kind, of) =>
  make("button", { type: "button", class: "small " + (kind || ""), onclick: action, "data-action": name, "data-of": of ?? null }, text);

export const badge = (text, kind) => make("span", { class: "badge " + (kind || "") }, text);

export const count = (number) => (Number.isInteger(number) || number >= 10 ? Math.round(number) : Number(number.toFixed(1))).toLocaleString("en");

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  while (number >= 1024 && at < 3) { number /= 1024; at += 1; }
  return (at && number < 10 ? number.toFixed(1) : Math.round(number)) + " " + units[at];
}

/** Names and values, one in a line. */
export const facts = (pairs) => make("dl", {}, pairs.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

/** Show rows for items. Rows that are there already are kept, so that focus and selection stay. */
export function update(parent, items, key, fill, tag) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const row = focused && focused.closest("[data-key]");
  const again = row && focused.dataset.action ? [row.dataset.key, focused.dataset.action, focused.dataset.of] : null;
  const rows = items.map((item) => {
    const name = String(key(item));
    const element = old.get(name) || make(tag, { "data-key": name });
    const text = JSON.stringify(item);
    if (element.drawn !== text) { element.drawn = text; fill(element, item); }
    return element;
  });
  if (rows.length !== parent.children.length || rows.some((each, at) => each !== parent.children[at])) parent.replaceChildren(...rows);
  if (!again || focused === document.activeElement) return;
  const place = rows.find((each) => each.dataset.key === again[0]);
  const control = place && [...place.querySelectorAll("[data-action]")].find((each) => each.dataset.action === again[1] && each.dataset.of === again[2]);
  if (control) control.focus();
}
