// What htmx could not do is told in words, once, until it works again or somebody closes it.
(() => {
  "use strict";
  const UNREACHABLE = ["The console can't be reached.", "What this page shows may be out of date. Check the connection, and try again."];
  // The request that failed, and whether there was no answer at all.
  let failed = null;

  const nameOf = (detail) => `${detail.requestConfig?.verb} ${detail.requestConfig?.path}`;

  // The words of an answer: of a page that says why, of problem details, or of the status alone.
  function words(xhr) {
    const kind = xhr.getResponseHeader("content-type") ?? "";
    if (kind.startsWith("text/html")) {
      const main = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector("main");
      const alert = main?.querySelector("[role=alert]");
      const texts = [...(alert ?? main)?.querySelectorAll("h1, p") ?? []];
      const said = texts.filter((element) => !element.querySelector("a")).map((element) => element.textContent.trim());
      if (said.some(Boolean)) return said.filter(Boolean);
    }
    if (kind.startsWith("application/problem+json")) {
      try {
        const problem = JSON.parse(xhr.responseText);
        return [problem.title, problem.detail, problem.hint].filter(Boolean);
      } catch { /* The status says it, then. */ }
    }
    return [`The console answered with status ${xhr.status}.`];
  }

  function tell(texts) {
    const region = document.getElementById("trouble");
    // Said again, it would be read out again.
    if (!region || region.dataset.said === texts.join("\n")) return;
    region.dataset.said = texts.join("\n");
    const note = document.createElement("div");
    note.className = "note failed";
    note.tabIndex = 0;
    note.setAttribute("role", "group");
    note.setAttribute("aria-label", "Error");
    for (const text of texts) {
      const line = document.createElement("p");
      line.textContent = text;
      note.append(line);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", forget);
    note.append(close);
    region.replaceChildren(note);
  }

  function forget() {
    const region = document.getElementById("trouble");
    failed = null;
    delete region?.dataset.said;
    region?.replaceChildren();
  }

  document.addEventListener("htmx:responseError", (event) => {
    failed = { name: nameOf(event.detail), isUnreachable: false };
    tell(words(event.detail.xhr));
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      failed = { name: nameOf(event.detail), isUnreachable: true };
      tell(UNREACHABLE);
    });
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful || !failed) return;
    if (failed.isUnreachable || failed.name === nameOf(event.detail)) forget();
  });
})();
