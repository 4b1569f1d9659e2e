/** An element with properties, attributes (`aria-…`, `data-…`, `role`, `for`) and children, of which empty ones are left out. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (/^(aria-|data-|role$|for$)/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Replaces the children; the focus stays where one with the same label is. */
export function refill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
  parent.replaceChildren(...children);
  if (focused) [...parent.querySelectorAll('[aria-label]')].find((it) => it.ariaLabel === focused)?.focus();
}

/** Text in which what stands between backticks is code. */
export const prose = (text) =>
  text.split(/`([^`]*)`/).map((part, index) => (index % 2 ? element('code', {}, part) : part));
