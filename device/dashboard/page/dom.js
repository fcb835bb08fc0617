// Small helpers for the document. Text from messages enters it through `textContent` only.

/** The element with an id. */
export const byId = (id) => document.getElementById(id);

/** Set the text of an element; does nothing if it has it already, so that nothing is announced twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a note only while it has a text. */
export function setNote(element, text) {
  setText(element, text ?? "");
  element.hidden = !text;
}

/** An element with a class, and text or children. */
export function make(tag, className = "", ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** An element of an SVG with attributes, and text or children. */
export function makeSvg(tag, attributes = {}, ...content) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

/**
 * Give a list exactly one child for each item. Children are kept and only updated, so that bars move
 * smoothly and a reader keeps its place.
 */
export function fillList(list, items, create, update) {
  while (list.children.length > items.length) list.lastElementChild.remove();
  while (list.children.length < items.length) list.append(create());
  items.forEach((item, index) => update(list.children[index], item));
}

/** Show pairs of name and value in a `dl`; pairs without a value are left out. */
export function fillFacts(list, pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined);
  fillList(
    list,
    known,
    () => make("div", "", make("dt"), make("dd")),
    (row, [name, value]) => {
      setText(row.firstElementChild, name);
      setText(row.lastElementChild, value);
    },
  );
}

/** Set the length of a bar, 0..1. */
export function setShare(element, share) {
  element.style.setProperty("--share", String(Math.min(1, Math.max(0, share ?? 0))));
}
