// Sets the theme before the first paint: modules run too late, so this script is not one.
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
  /** Switches to the other theme, and stores the choice if it differs from the system's. */
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
