// What pages do beyond HTML. Without it they can be read and forms work.
(() => {
  "use strict";

  // Theme: as the system has it, unless it was chosen.
  const root = document.documentElement;
  const stored = localStorage.getItem("theme");
  if (stored) root.dataset.theme = stored;

  // Times are in the viewer's zone, with UTC as the title.
  const parts = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  function showTimes(within) {
    for (const element of within.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if (element.dataset.style === "absolute") {
        element.textContent = absolute.format(at);
      } else {
        const seconds = (at - Date.now()) / 1000;
        const [unit, size] = parts.find(([, size]) => Math.abs(seconds) >= size) ?? parts[3];
        element.textContent = relative.format(Math.round(seconds / size), unit);
      }
    }
  }

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const text = copy.dataset.copy || document.getElementById(copy.dataset.copyFrom)?.textContent || "";
      navigator.clipboard?.writeText(text).then(() => {
        const label = copy.textContent;
        copy.textContent = "Copied";
        setTimeout(() => { copy.textContent = label; }, 1500);
      });
    }
    if (event.target.closest("[data-theme-switch]")) {
      const isDark = getComputedStyle(root).colorScheme === "dark";
      root.dataset.theme = isDark ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
    }
    // A menu closes when something else is clicked.
    for (const menu of document.querySelectorAll("header.top details[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      document.querySelector("form.search input")?.focus();
    }
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("header.top details[open]")) menu.open = false;
    }
  });
  // A select with data-submit sends its form when it changes.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form?.requestSubmit();
    // A file is read into the text area that it names.
    const into = event.target.dataset?.into;
    const file = event.target.files?.[0];
    if (into && file) file.text().then((text) => { document.getElementById(into).value = text; });
  });

  document.addEventListener("DOMContentLoaded", () => showTimes(document));
  document.addEventListener("htmx:afterSettle", (event) => showTimes(event.target));
  setInterval(() => showTimes(document), 10000);
})();
