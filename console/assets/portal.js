// The secret of a portal link goes from the address into the form.
(() => {
  "use strict";
  const form = document.getElementById("portal");
  const secret = location.hash.slice(1);
  if (!secret) return;
  history.replaceState(null, "", location.pathname);
  form.elements.link.value = secret;
  // In a frame it was the page around that opened it. By itself, a person says so: programs that follow links in mail
  // do not press buttons.
  if (window.self !== window.top) {
    form.requestSubmit();
    return;
  }
  form.querySelector(".field").hidden = true;
  form.querySelector("button").focus();
})();
