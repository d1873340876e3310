// Light or dark, before the first paint: the one script that is not a module.
"use strict";
(() => {
  const KEY = "peer:theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const apply = () => {
    const theme = chosen() ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  apply();
  /** The other theme from now on; back to the system's choice where that is the same. */
  globalThis.switchTheme = () => {
    const wanted = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      if ((wanted === "dark") === dark.matches) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, wanted);
    } catch {
      document.documentElement.dataset.theme = wanted;
      return wanted;
    }
    apply();
    return wanted;
  };
})();
