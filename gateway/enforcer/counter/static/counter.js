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
    else if (button.dataset.open) { openDialog(button); }
    else if (button.dataset.step) { step(Number(button.dataset.step)); }
    else if (button.hasAttribute("data-suggest")) { suggest(button.dataset); }
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

  // ---- keys: J K move (in the annotated view through its places first), 1 2 3 4 views, A decide, R return, X to the list, C note, V compare
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) { return; }
    if (event.target.closest("input, textarea, select") || document.querySelector("dialog[open]")) { return; }
    const key = event.key.toLowerCase();
    if ((key === "j" || key === "k") && step(key === "j" ? 1 : -1)) { event.preventDefault(); return; }
    const nav = document.querySelector(`[data-nav="${CSS.escape(key)}"]`);
    if (nav) { nav.click(); return; }
    if (/^[1-4]$/.test(key) || key === "v") {
      const view = document.querySelector(`[data-view="${key === "v" ? "3" : CSS.escape(key)}"]`);
      if (view) { view.click(); }
      return;
    }
    if (key === "c") { note(); event.preventDefault(); return; }
    const act = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (act && !act.disabled) { event.preventDefault(); act.click(); }
  }
  document.addEventListener("keydown", keys);

  // ---- notes and suggestions: the selected words, or a finding's, go into the next empty row of the return sheet
  const back = document.querySelector("#return form[data-keep]");

  function openDialog(button) {
    const from = button.closest("dialog[open]");
    if (from) { from.close(); }
    const menu = button.closest("details.more");
    if (menu) { menu.open = false; }
    document.getElementById(button.dataset.open).showModal();
    const field = button.dataset.focus && document.querySelector(`#${button.dataset.open} [name=${button.dataset.focus}]`);
    if (field) { field.focus(); }
  }

  function suggest(given) {
    if (!back) { return; }
    let n = 0;
    while (n < 7 && ["quote", "fix", "note"].some((name) => back.elements[name + n].value)) { n += 1; }
    back.elements[`field${n}`].value = given.field || "";
    back.elements[`quote${n}`].value = given.quote || "";
    back.elements[`fix${n}`].value = given.fix || "";
    back.elements[`note${n}`].value = given.words || "";
    const rest = back.elements[`quote${n}`].closest("details");
    if (rest) { rest.open = true; }
    back.closest("dialog").showModal();
    back.elements[`${given.quote ? "note" : "quote"}${n}`].focus();
    keep();
  }

  function note() {
    const frame = document.querySelector("iframe.rendition");
    const inner = frame && frame.contentDocument;
    const selection = inner && String(inner.getSelection() || "").trim() ? inner.getSelection() : window.getSelection();
    const place = selection && selection.anchorNode && selection.anchorNode.parentElement.closest("[data-field]");
    suggest({ quote: String(selection || "").trim().slice(0, 500), field: place ? place.dataset.field : "" });
  }

  // What was typed into the return sheet outlives a look at another view, in this tab only, until it is sent.
  const KEPT = /^(reason|text|(quote|fix|note|field)\d)$/;
  function keep() {
    const fields = [...new FormData(back)].filter(([name, value]) => KEPT.test(name) && value);
    sessionStorage.setItem("return", JSON.stringify({ of: back.dataset.keep, fields }));
  }
  if (back) {
    const kept = JSON.parse(sessionStorage.getItem("return") || "null");
    if (kept && kept.of === back.dataset.keep) {
      for (const [name, value] of kept.fields) { back.elements[name].value = value; }
      const rest = back.querySelector(".places details");
      rest.open = [...rest.querySelectorAll("input[type=text]")].some((field) => field.value);
    }
    back.addEventListener("input", keep);
    back.addEventListener("submit", () => sessionStorage.removeItem("return"));
  }

  // ---- the checklist: a tick is remembered at once, so that another view does not lose it
  const list = document.querySelector("[data-checklist]");
  if (list) {
    list.addEventListener("change", (event) => {
      const box = event.target;
      const fields = { submission: list.dataset.submission, revision: list.dataset.revision, item: box.dataset.item, on: box.checked ? "on" : "" };
      post("/s/tick", fields).then((answer) => { if (!answer.ok) { box.checked = !box.checked; } }, () => { box.checked = !box.checked; });
    });
  }

  // ---- the annotated view: step through the places; cards stand level with them
  const stepper = document.querySelector("[data-stepper]");
  let current = 0;

  function marks() {
    const frame = stepper && document.querySelector("iframe[name=marked]");
    const inner = frame && frame.contentDocument;
    return inner ? [...inner.querySelectorAll("mark[id]")].sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1))) : [];
  }

  function step(by) {
    const places = marks();
    if (!stepper || !places.length || current + by < 1 || current + by > places.length) { return false; }
    show(current + by);
    return true;
  }

  function show(number) {
    const places = marks();
    const mark = places[number - 1];
    if (!mark) { return; }
    current = number;
    for (const other of mark.ownerDocument.querySelectorAll("mark.on")) { other.classList.remove("on"); }
    for (const part of mark.ownerDocument.querySelectorAll(`mark[data-m="${mark.id}"]`)) { part.classList.add("on"); }
    mark.scrollIntoView({ block: "center" });
    for (const card of document.querySelectorAll("[data-card]")) { card.classList.toggle("on", card.dataset.card === mark.id); }
    const card = document.querySelector(`[data-card="${mark.id}"]`);
    const words = stepper.querySelector(".step-words");
    words.textContent = `${number} / ${places.length} · ${card ? card.dataset.words : ""}`;
    words.className = `step-words ${mark.className.replace(" on", "").replace("on", "")}`;
  }

  function level() {
    const aside = document.querySelector(".view-marked .findings");
    if (!aside || window.matchMedia("(max-width:720px)").matches) { return; }
    const frame = document.querySelector("iframe[name=marked]");
    let bottom = 0;
    for (const card of aside.querySelectorAll("[data-card]")) { card.style.marginTop = ""; }
    const cards = [...aside.querySelectorAll("[data-card]")];
    for (const card of cards) {
      const mark = frame.contentDocument.getElementById(card.dataset.card);
      const wanted = mark ? frame.getBoundingClientRect().top + mark.getBoundingClientRect().top : 0;
      const top = card.getBoundingClientRect().top;
      if (wanted > Math.max(top, bottom)) { card.style.marginTop = `${Math.round(wanted - top)}px`; }
      bottom = card.getBoundingClientRect().bottom;
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-goto]");
    if (!link || !stepper) { return; }
    event.preventDefault();
    show(Number(link.dataset.goto.slice(1)));
  });

  // ---- the frame is as high as its document: no scroll inside a scroll
  for (const frame of document.querySelectorAll("iframe.rendition")) {
    const fit = () => {
      const inner = frame.contentDocument && frame.contentDocument.documentElement;
      if (inner) { frame.style.height = `${Math.max(inner.scrollHeight, 240)}px`; }
      const quotes = frame.contentDocument;
      if (quotes) { for (const picture of quotes.images) { picture.addEventListener("load", fit, { once: true }); } }
      if (frame.name === "marked") { level(); }
    };
    const inside = () => {
      const inner = frame.contentDocument;
      inner.addEventListener("keydown", keys);
      inner.addEventListener("click", (event) => {
        const mark = event.target.closest("mark");
        if (mark && stepper) { show(Number(mark.dataset.m.slice(1))); }
      });
      if (stepper && stepper.dataset.at) { show(Number(stepper.dataset.at.slice(1))); }
    };
    frame.addEventListener("load", inside);
    frame.addEventListener("load", fit);
    window.addEventListener("resize", fit);
    if (frame.contentDocument && frame.contentDocument.readyState === "complete") { fit(); inside(); }
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
  const row = document.querySelector(".rail-row.on");
  if (row) { row.parentElement.scrollTop = row.offsetTop - row.parentElement.offsetTop - row.parentElement.clientHeight / 3; }
  const here = document.querySelector(".links [aria-current]");
  if (here) { here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2; }
  const again = document.querySelector("a[data-back]");
  if (again && history.length > 1) { again.addEventListener("click", (event) => { event.preventDefault(); history.back(); }); }
})();
