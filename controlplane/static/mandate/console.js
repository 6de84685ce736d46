// What HTML cannot do by itself: remember the theme, copy, go to the search field, say when a request failed.
(() => {
  const say = (text) => {
    const place = document.getElementById("live");
    if (place) place.textContent = text;
  };

  document.addEventListener("click", async (event) => {
    const theme = event.target.closest("[data-theme-toggle]");
    if (theme) {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try { localStorage.setItem("mandate-theme", next); } catch { /* not remembered */ }
      say(next === "dark" ? "Dark theme" : "Light theme");
      return;
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const source = document.getElementById(copy.dataset.copy);
      await navigator.clipboard.writeText(source.textContent.trim());
      const label = copy.querySelector("span") || copy;
      const before = label.textContent;
      label.textContent = "Copied";
      say("Copied");
      setTimeout(() => { label.textContent = before; }, 1500);
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-go]")) event.target.form.requestSubmit();
  });

  document.addEventListener("keydown", (event) => {
    const written = event.target.closest && event.target.closest("[data-submit]");
    if (written && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      written.form.requestSubmit(written.form.querySelector("button.button-primary, button"));
    }
    const list = document.querySelector("[data-keys]");
    const typing = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    if (list && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key === "j" || event.key === "k")) {
      const lines = [...list.querySelectorAll("a")];
      const at = lines.findIndex((line) => line === document.activeElement || (line.getAttribute("aria-current") && !list.contains(document.activeElement)));
      const next = lines[Math.min(lines.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
      if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
    }
    if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
      const field = document.getElementById("search");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    }
  });

  const failed = (text) => {
    const place = document.getElementById("messages");
    if (!place) return;
    const note = document.createElement("div");
    note.className = "callout callout-bad";
    note.setAttribute("role", "alert");
    const words = document.createElement("p");
    words.className = "callout-words";
    words.textContent = text;
    note.append(document.createElement("span"), words);
    place.replaceChildren(note);
    place.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("htmx:sendError", () => failed("The server could not be reached. Nothing was changed by this request as far as this page knows; try again."));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    failed(status === 403 ? "This is not allowed, or your session has ended. Reload the page and try again." : `The server answered ${status}. Try again, or look at the log with the request id.`);
  });
})();
