// The counter's one script: passkeys, the code field, keys, the sheet. Everything but passkeys also works without it.
"use strict";
(() => {
  const body = document.body;
  const say = (form, text) => {
    const place = form && form.querySelector(".proof-error");
    if (place) { place.textContent = text; place.hidden = !text; }
  };
  const refusal = (error) => (error && error.name === "NotAllowedError" ? body.dataset.cancelled : body.dataset.nopasskey);

  async function assertion(options) {
    const key = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    return JSON.stringify(key.toJSON());
  }

  async function post(path, fields) {
    const data = new URLSearchParams(fields);
    const answer = await fetch(path, {
      method: "POST", body: data, credentials: "same-origin", redirect: "follow",
      headers: { "X-Qianfa-Form": body.dataset.form || "", "X-Qianfa-Fragment": "1" },
    });
    return answer;
  }

  async function prove(button) {
    const form = button.closest("form");
    say(form, "");
    if (!form.reportValidity()) { return; }
    button.disabled = true;
    try {
      form.elements.assertion.value = await assertion(JSON.parse(button.dataset.options));
      form.submit();
    } catch (error) { say(form, refusal(error)); button.disabled = false; }
  }

  async function signIn(button) {
    const form = button.closest("form");
    say(form, "");
    button.disabled = true;
    try {
      const begun = await (await post("/s/signin/options", {})).json();
      form.elements.assertion.value = await assertion(begun.options);
      form.elements.challenge.value = begun.challenge;
      form.submit();
    } catch (error) { say(form, refusal(error)); button.disabled = false; }
  }

  async function register(button) {
    const form = button.closest("form");
    say(form, "");
    button.disabled = true;
    try {
      const begun = await (await post("/s/factor/passkey/options", {})).json();
      const key = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.options) });
      form.elements.nonce.value = begun.nonce;
      form.elements.assertion.value = JSON.stringify(key.toJSON());
      form.submit();
    } catch (error) { say(form, refusal(error)); button.disabled = false; }
  }

  // ---- the sheet: the same page the form would lead to, shown over the text instead
  async function openSheet(form, submitter) {
    const data = new FormData(form, submitter);
    const sheet = document.getElementById("sheet");
    let answer;
    try { answer = await post(form.getAttribute("action"), data); } catch { window.alert(body.dataset.offline); return; }
    const type = answer.headers.get("Content-Type") || "";
    if (!type.startsWith("text/html")) { form.submit(); return; }
    sheet.innerHTML = await answer.text();
    sheet.showModal();
  }

  // ---- the code field: digits of a Chinese keyboard become ASCII here; the server goes on refusing them
  function digits(field) {
    const plain = field.value.replace(/[０-９]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0)).replace(/[\s-]/g, "");
    if (plain !== field.value) { field.value = plain; }
    if (/^[0-9]{6}$/.test(plain) && field.dataset.sent !== plain && field.form.reportValidity()) {
      field.dataset.sent = plain;
      field.form.requestSubmit();
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) { return; }
    if (button.hasAttribute("data-passkey")) { prove(button); }
    else if (button.hasAttribute("data-signin")) { signIn(button); }
    else if (button.hasAttribute("data-create")) { register(button); }
    else if (button.hasAttribute("data-close")) { const open = button.closest("dialog"); if (open) { open.close(); } else { history.back(); } }
    else if (button.dataset.open) { document.getElementById(button.dataset.open).showModal(); }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-sheet]")) { event.preventDefault(); openSheet(form, event.submitter); }
  });
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-code]") && !event.isComposing) { digits(field); }
  });
  document.addEventListener("compositionend", (event) => { if (event.target.matches("[data-code]")) { digits(event.target); } });

  // ---- keys: J K move, 1 2 3 views, A decide, R return, X to the list, C note, V compare
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) { return; }
    if (event.target.closest("input, textarea, select, dialog[open]")) { return; }
    const key = event.key.toLowerCase();
    const nav = document.querySelector(`[data-nav="${CSS.escape(key)}"]`);
    if (nav) { nav.click(); return; }
    if (/^[1-4]$/.test(key) || key === "v") {
      const view = document.querySelector(`[data-view="${key === "v" ? "2" : CSS.escape(key)}"]`);
      if (view) { view.click(); }
      return;
    }
    if (key === "c") {
      const dialog = document.getElementById("return");
      if (dialog) {
        const quote = String(window.getSelection() || "").trim().slice(0, 500);
        dialog.showModal();
        if (quote) { dialog.querySelector("[name=quote0]").value = quote; }
        dialog.querySelector("[data-note]").focus();
        event.preventDefault();
      }
      return;
    }
    const act = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (act && !act.disabled) { event.preventDefault(); act.click(); }
  });

  // ---- the frame is as high as its document: no scroll inside a scroll
  for (const frame of document.querySelectorAll("iframe.rendition")) {
    const fit = () => {
      const inner = frame.contentDocument && frame.contentDocument.documentElement;
      if (inner) { frame.style.height = `${Math.max(inner.scrollHeight, 240)}px`; }
      const quotes = frame.contentDocument;
      if (quotes) { for (const picture of quotes.images) { picture.addEventListener("load", fit, { once: true }); } }
    };
    frame.addEventListener("load", fit);
    window.addEventListener("resize", fit);
    if (frame.contentDocument && frame.contentDocument.readyState === "complete") { fit(); }
  }

  // ---- opened to its end
  const end = document.getElementById("end");
  if (end && end.dataset.seen === "0") {
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) { return; }
      watch.disconnect();
      post("/s/seen", { submission: end.dataset.submission, revision: end.dataset.revision }).then((answer) => {
        const add = document.querySelector('[data-needs-seen="1"]');
        if (answer.ok && add) { add.disabled = false; }
      });
    });
    window.setTimeout(() => watch.observe(end), 600);
  }

  // ---- small things: the page that goes on by itself, countdowns, the intake that is cleared on leaving
  const auto = document.querySelector("form[data-auto]");
  if (auto) { auto.requestSubmit(); }
  const tick = () => {
    for (const place of document.querySelectorAll("[data-countdown]")) {
      const left = Number(place.dataset.countdown) - Math.floor((Date.now() - Date.parse(place.dataset.since)) / 1000);
      place.textContent = left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "";
    }
  };
  tick();
  window.setInterval(tick, 1000);
  const ring = document.querySelector("[data-seconds]");
  if (ring) { window.setTimeout(() => location.reload(), Number(ring.dataset.seconds) * 1000 + 300); }
  const clear = () => { for (const form of document.querySelectorAll("form[data-clear]")) { form.reset(); } };
  window.addEventListener("pagehide", clear);
  window.addEventListener("pageshow", clear);
  const back = document.querySelector("a[data-back]");
  if (back && history.length > 1) { back.addEventListener("click", (event) => { event.preventDefault(); history.back(); }); }
})();
