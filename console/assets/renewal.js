// A part of a page that is renewed keeps what is open in it, where the keyboard is, and what is typed.
(() => {
  "use strict";
  let before = null;

  // What an element is known by in the part that takes the place of this one.
  const mark = (element) => [
    element.tagName, element.id, element.name, element.getAttribute("href"), element.getAttribute("datetime"),
    element.dataset.copy, element.closest("details")?.id,
  ].join(" ");
  const find = (part, wanted) => {
    const all = [part, ...part.querySelectorAll("*")];
    return all.find((element) => mark(element) === wanted);
  };
  const fields = (part) => [...part.querySelectorAll("input:not([type=hidden]), textarea, select")];

  function remember(part) {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    return {
      id: part.id,
      details: [...part.querySelectorAll("details")].map((element) => [mark(element), element.open]),
      typed: fields(part).map((element) => [mark(element), element.value, element.checked]),
      focus: focused && mark(focused),
      selection: focused?.selectionStart === undefined ? null : [focused.selectionStart, focused.selectionEnd],
    };
  }

  function restore(part) {
    for (const [wanted, isOpen] of before.details) {
      const element = find(part, wanted);
      if (element) element.open = isOpen;
    }
    for (const [wanted, value, checked] of before.typed) {
      const element = find(part, wanted);
      if (!element) continue;
      element.value = value;
      element.checked = checked;
    }
    const focused = before.focus && find(part, before.focus);
    focused?.focus({ preventScroll: true });
    if (focused && before.selection?.[0] != null) focused.setSelectionRange(...before.selection);
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, requestConfig, shouldSwap } = event.detail;
    before = shouldSwap && target.id && requestConfig?.verb === "get" ? remember(target) : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const part = before && document.getElementById(before.id);
    if (part) restore(part);
    before = null;
  });
})();
