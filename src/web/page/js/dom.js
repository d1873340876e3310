// Making elements, and when to run what. Text becomes text nodes: no part of the page parses markup.

export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. `class`, `role`, `for`, `datetime` and names with a hyphen are set as attributes, a function under
 * `on…` is added as a listener, and other names are set as properties. Strings among the children become text nodes.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class" || key === "role" || key === "for" || key === "datetime" || key.includes("-")) {
      element.setAttribute(key, value === true ? "" : value);
    } else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A tab in the background gets no animation frames; a timer runs the task there. */
const NO_FRAME_MS = 200;

/** Gives a function that calls `run` at the next animation frame, once for all calls before it. */
export function framed(run) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    const once = () => {
      if (!due) return;
      due = false;
      run();
    };
    requestAnimationFrame(once);
    setTimeout(once, NO_FRAME_MS);
  };
}

/** Gives a function that runs `task` at once; calls while it runs make it run once more afterwards. */
export function coalesced(task) {
  let running = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await task();
    } while (again);
  };
  return () => {
    if (running) again = true;
    else running = run().finally(() => (running = null));
    return running;
  };
}

/** Whether the page is in view and has the focus. */
export const isPresent = () => document.visibilityState === "visible" && document.hasFocus();
