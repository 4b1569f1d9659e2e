// The example application of `scim-edge demo`, where the page is served by it.

/** The demo that serves this page; nothing where another server does. */
export function findDemo() {
  const token = document.querySelector('meta[name="scim-edge-demo"]')?.content;
  if (!token) return undefined;
  /** The tables, the number of calls so far, and those after the first `since` ones. */
  const state = async (since) => (await fetch(`demo/state?since=${since ?? ''}`)).json();
  return { token, state };
}
