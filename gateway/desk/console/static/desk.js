// Keys for lists, and a signed-out page where a fragment could not be had. No inline script anywhere; this file is all there is with editor.js.
(() => {
  "use strict";
  const typing = (node) => node && (/^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName) || node.isContentEditable);
  let at = -1;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const rows = [...document.querySelectorAll("[data-row]")];
    if ((event.key === "j" || event.key === "k") && rows.length) {
      at = Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)));
      rows[at].focus();
      rows[at].scrollIntoView({ block: "nearest" });
      event.preventDefault();
      return;
    }
    if (event.key === "Enter" && event.target !== document.body) return;
    const hot = [...document.querySelectorAll("[data-key]")].find((node) => node.dataset.key === event.key);
    if (!hot) return;
    event.preventDefault();
    if (hot.tagName === "INPUT") hot.focus(); else hot.click();
  });
  const here = document.querySelector(".nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) location.assign("/welcome?next=" + encodeURIComponent(location.pathname));
  });
})();
