// Elements. Text goes in as text nodes only: nothing here, or anywhere else, parses markup.

export const $ = (id) => document.getElementById(id);

/**
 * An element with properties and children. `class`, `role`, `aria-*`, `data-*` and the like are attributes;
 * a function under `on…` is a listener; other keys are properties. Strings become text nodes.
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

/** In a tab that is not shown there are no frames. */
const NO_FRAME_MS = 200;

/** Calls `run` once per animation frame, however often it is asked. */
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

/** Runs `task` now, and once more after it for all calls that came meanwhile. */
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

let announced = null;
/** Has a screen reader say it, after what it is saying. */
export function announce(text) {
  const log = $("announcer");
  announced?.remove();
  announced = el("p", {}, text);
  log.append(announced);
}
