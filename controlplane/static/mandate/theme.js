// Before the first paint: the theme a person chose, else the system's.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try { chosen = localStorage.getItem("mandate-theme"); } catch { /* storage is off: follow the system */ }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const show = () => { root.dataset.theme = chosen || (dark.matches ? "dark" : "light"); };
  dark.addEventListener("change", show);
  show();
})();
