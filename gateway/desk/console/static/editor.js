// The editor: a document without scripts in a frame, edited from here; every change is kept by the server, else on this device.
(() => {
  "use strict";
  const root = document.getElementById("editor");
  if (!root) return;
  // Each window keeps a copy of its own: what one could not save must not be dropped because another one could.
  const id = root.dataset.draft, kept = "qianfa-draft-" + id, key = `${kept}:${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-Form-Token"];
  const frame = document.getElementById("body"), preview = document.getElementById("preview"), saved = document.getElementById("saved");
  const $ = (name) => document.getElementById(name);
  let version = Number(root.dataset.version), timer = 0, saving = false, dirty = false, halted = false, cover = $("covers").dataset.cover || null;

  const doc = () => frame.contentDocument;
  const checked = (name) => [...document.querySelectorAll(`input[name=${name}]:checked`)].map((node) => node.value);

  function targets() {
    const fixed = [...document.querySelectorAll(".target")];
    if (fixed.length) return fixed.map((n) => ({ channel: n.dataset.channel, operation: n.dataset.operation, previous: n.dataset.previous }));
    return checked("channel").map((channel) => ({ channel, operation: "publish", previous: null }));
  }

  // The time is the company's, wherever this device is; one that is none is left out, so that the text is saved all the same.
  function scheduled() {
    const at = new Date($("scheduled").value + ":00+08:00");
    return checked("when")[0] === "fixed" && !Number.isNaN(at.getTime()) ? at.toISOString() : null;
  }

  function form() {
    const facts = checked("fact");
    return {
      version, html: doc().body.innerHTML, title: $("title").value, summary: $("summary").value, author: $("author").value,
      source: { kind: checked("source")[0] || "original", name: $("source-name").value, url: $("source-url").value }, cover, targets: targets(),
      facts: {
        category: checked("category")[0] || "", sensitive: facts.includes("sensitive"), executives: facts.includes("executives"),
        external_quote: facts.includes("external_quote"), ai_generated: facts.includes("ai_generated"), reprinted_pictures: facts.includes("reprinted_pictures"),
      },
      scheduled: scheduled(), message: $("message").value,
    };
  }

  function send(path, body, type) {
    return fetch(path, { method: "POST", body, headers: { "Accept": "application/json", "Content-Type": type, "X-Form-Token": token }, credentials: "same-origin", redirect: "error" });
  }

  function keepHere() {
    try { localStorage.setItem(key, JSON.stringify({ at: Date.now(), form: form() })); } catch { /* storage may be full or off; the page still holds the text */ }
  }

  function changed() {
    dirty = true;
    saved.textContent = root.dataset.unsaved;
    titleCount();
    clearTimeout(timer);
    timer = setTimeout(save, 700);
  }

  async function save() {
    clearTimeout(timer);
    if (halted) { keepHere(); return; }
    if (saving) { timer = setTimeout(save, 300); return; }
    saving = true;
    dirty = false;
    saved.textContent = root.dataset.saving;
    try {
      const answer = await send(`/drafts/${id}/save`, JSON.stringify(form()), "application/json");
      const value = await answer.json();
      if (answer.ok) {
        version = value.version;
        localStorage.removeItem(key);
        saved.textContent = root.dataset.saved + " " + new Date(value.at).toLocaleTimeString("zh-CN", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit" });
        look();
        document.body.dispatchEvent(new Event("saved"));
      } else {
        keepHere();
        saved.textContent = value.title || root.dataset.offline;
        if (answer.status === 409) halted = true;
        if (answer.status === 401) location.assign("/welcome?next=" + encodeURIComponent(location.pathname));
      }
    } catch {
      keepHere();
      dirty = true;
      saved.textContent = root.dataset.offline;
      timer = setTimeout(save, 5000);
    } finally {
      saving = false;
    }
    if (dirty && !halted) { clearTimeout(timer); timer = setTimeout(save, 700); }
  }

  // The preview is what the counter will show; which channel's is remembered over saves, and so is how far it was scrolled.
  let channel = "";
  function look(other) {
    const y = other === undefined && preview.contentWindow ? preview.contentWindow.scrollY : 0;
    if (other !== undefined) channel = other;
    preview.onload = () => { if (preview.contentWindow) preview.contentWindow.scrollTo(0, y); };
    preview.contentWindow.location.replace(preview.dataset.src + (channel ? "?channel=" + encodeURIComponent(channel) : ""));
    tabs();
  }

  function tabs() {
    const found = [...document.querySelectorAll(".preview-tab")];
    const here = found.some((node) => node.dataset.channel === channel) ? channel : found.length ? found[0].dataset.channel : "";
    for (const node of found) if (node.dataset.channel === here) node.setAttribute("aria-current", "true"); else node.removeAttribute("aria-current");
  }

  function titleCount() {
    const n = [...$("title").value].length;
    $("title-count").textContent = root.dataset.count.replace("{n}", n);
    $("title-count").classList.toggle("late", n > 64);
  }

  function told(lines, needed) {
    const box = $("removed");
    box.replaceChildren();
    box.hidden = !lines.length && !needed.length;
    if (box.hidden) return;
    const head = document.createElement("b");
    head.textContent = root.dataset.removed + " " + lines.reduce((n, line) => n + line.count, 0);
    const list = document.createElement("ul");
    for (const line of lines) {
      const item = document.createElement("li"), before = document.createElement("code"), after = document.createElement("code");
      before.textContent = (line.count > 1 ? `${line.count}× ` : "") + (line.before || line.what);
      after.textContent = "→ " + (line.after || "∅") + (line.where ? "  …" + line.where : "");
      item.append(before, after);
      list.append(item);
    }
    box.append(head, list);
    if (needed.length) {
      const more = document.createElement("p");
      more.textContent = root.dataset.needed + "：" + needed.map((item) => item.alt || item.where || item.url).join("、");
      box.append(more);
    }
  }

  function insert(html) {
    doc().body.focus();
    doc().execCommand("insertHTML", false, html);
    changed();
  }

  async function paste(event) {
    const data = event.clipboardData;
    const files = [...data.files].filter((file) => file.type.startsWith("image/"));
    const html = data.getData("text/html");
    const picturesOnly = files.length && !new DOMParser().parseFromString(html, "text/html").body.textContent.trim();
    if (picturesOnly) { event.preventDefault(); for (const file of files) await picture(file); return; }
    if (!html) return;
    event.preventDefault();
    await clean(html);
  }

  // Whether the server took it; without the server the text alone is put in.
  async function clean(html) {
    try {
      const answer = await send(`/drafts/${id}/paste`, JSON.stringify({ html }), "application/json");
      const value = await answer.json();
      if (!answer.ok) { saved.textContent = value.title; return false; }
      insert(value.html);
      told(value.removed, value.needed);
      return true;
    } catch {
      const text = new DOMParser().parseFromString(html, "text/html").body.textContent;
      doc().execCommand("insertText", false, text);
      saved.textContent = root.dataset.offline;
      return false;
    }
  }

  async function picture(file) {
    if (file.size > Number(root.dataset.pictureLimit)) { saved.textContent = root.dataset.pictureLarge; return; } // nobody waits for an upload that is refused
    saved.textContent = root.dataset.uploading;
    try {
      const answer = await send(`/drafts/${id}/pictures`, file, file.type || "application/octet-stream");
      const value = await answer.json();
      if (!answer.ok) { saved.textContent = value.title; return; }
      insert(`<p><img src="${value.src}" alt=""></p>`);
      addCover(value);
    } catch { saved.textContent = root.dataset.pictureLost; }
  }

  function addCover(value) {
    if (document.querySelector(`#covers [data-digest="${value.digest}"]`)) return;
    const button = document.createElement("button"), image = document.createElement("img"), size = document.createElement("span");
    button.type = "button"; button.setAttribute("role", "radio"); button.dataset.digest = value.digest;
    image.src = value.src; image.alt = ""; size.className = "meta"; size.textContent = `${value.width}×${value.height}`;
    button.append(image, size);
    $("covers").append(button);
    if (!cover) cover = value.digest;
    marks();
  }

  function marks() {
    for (const node of document.querySelectorAll("#covers [data-digest]")) node.setAttribute("aria-checked", String(node.dataset.digest === cover));
    const kind = checked("source")[0] || "original";
    $("source-more").hidden = kind === "original";
    $("scheduled").hidden = checked("when")[0] !== "fixed";
  }

  function find(field, quote) {
    if (field && field !== "body") {
      const node = $(field === "source.name" ? "source-name" : field);
      if (node) { node.focus(); const at = node.value.indexOf(quote); if (at >= 0 && node.setSelectionRange) node.setSelectionRange(at, at + quote.length); }
      return null;
    }
    const walker = doc().createTreeWalker(doc().body, NodeFilter.SHOW_TEXT);
    const nodes = [];
    let text = "";
    while (walker.nextNode()) { nodes.push([text.length, walker.currentNode]); text += walker.currentNode.data; }
    const start = text.indexOf(quote);
    if (start < 0 || !quote) return null;
    const place = (offset) => { let found = nodes[0]; for (const item of nodes) if (item[0] <= offset) found = item; return [found[1], offset - found[0]]; };
    const range = doc().createRange();
    range.setStart(...place(start));
    const [last, offset] = place(start + quote.length - 1);
    range.setEnd(last, offset + 1);
    const selection = doc().getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    (range.startContainer.parentElement || doc().body).scrollIntoView({ block: "center" });
    frame.scrollIntoView({ block: "nearest" });
    return range;
  }

  function fit() { frame.style.height = Math.max(420, doc().body.scrollHeight + 8) + "px"; }

  function saveKey(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); save(); }
  }

  function ready() {
    const body = doc() && doc().body;
    if (!body || body.isContentEditable) return;
    body.contentEditable = "true";
    body.setAttribute("role", "textbox");
    body.setAttribute("aria-multiline", "true");
    doc().execCommand("defaultParagraphSeparator", false, "p");
    doc().execCommand("styleWithCSS", false, false);
    doc().addEventListener("input", () => { changed(); fit(); });
    doc().addEventListener("keydown", saveKey);
    doc().addEventListener("paste", paste);
    doc().addEventListener("drop", (event) => {
      const files = [...event.dataTransfer.files].filter((file) => file.type.startsWith("image/"));
      const html = event.dataTransfer.getData("text/html");
      if (!files.length && !html) return;
      event.preventDefault();
      if (files.length) files.forEach(picture); else clean(html);
    });
    fit();
    new ResizeObserver(fit).observe(body);
    if (root.dataset.leaveOut) changed(); // a channel that is done is left out of what was saved before
  }

  frame.addEventListener("load", ready);
  if (doc() && doc().readyState === "complete") ready();
  root.addEventListener("input", (event) => { if (event.target.closest(".write") && event.target.type !== "file") { marks(); changed(); } });
  root.addEventListener("click", (event) => {
    const node = event.target.closest("button");
    if (!node) return;
    if (node.dataset.do) { doc().body.focus(); doc().execCommand(node.dataset.do, false); changed(); }
    else if (node.dataset.block) { doc().body.focus(); doc().execCommand("formatBlock", false, node.dataset.block); changed(); }
    else if (node.id === "tool-link") {
      const address = prompt(root.dataset.link, "https://");
      if (address && /^https?:\/\//.test(address)) { doc().body.focus(); doc().execCommand("createLink", false, address); changed(); }
    } else if (node.dataset.digest) { cover = cover === node.dataset.digest ? null : node.dataset.digest; marks(); changed(); }
    else if (node.classList.contains("preview-tab")) look(node.dataset.channel);
    else if (node.classList.contains("goto")) find(node.dataset.field, node.dataset.quote);
    else if (node.classList.contains("fix")) fix(node.dataset);
    else if (node.id === "mend") { const first = document.querySelector("#panel .finding.block .goto"); if (first) first.click(); else document.querySelector("#panel .why, #panel .finding").scrollIntoView({ block: "center" }); }
  });

  function fix(data) {
    if (data.field !== "body") {
      const node = $(data.field === "source.name" ? "source-name" : data.field);
      if (node) { node.value = node.value.replace(data.quote, () => data.with); changed(); }
      return;
    }
    if (find("body", data.quote)) { doc().execCommand("insertText", false, data.with); changed(); }
  }

  // A suggestion is taken over by the server, in the draft as it was saved: so what was typed is saved first.
  root.addEventListener("submit", async (event) => {
    const node = event.target.closest("form.take");
    if (!node) return;
    event.preventDefault();
    const chosen = event.submitter;
    for (let tries = 0; (dirty || saving) && !halted && tries < 20; tries += 1) { await save(); await new Promise((done) => setTimeout(done, 100)); }
    if (dirty || saving || halted) return;
    node.elements.version.value = String(version);
    if (chosen && chosen.name) node.append(Object.assign(document.createElement("input"), { type: "hidden", name: chosen.name, value: chosen.value }));
    node.submit();
  });

  $("tool-picture").addEventListener("change", async (event) => { for (const file of event.target.files) await picture(file); event.target.value = ""; });
  document.addEventListener("keydown", saveKey);
  document.body.addEventListener("htmx:configRequest", (event) => {
    if (!event.detail.path.endsWith("/submit")) return;
    event.detail.parameters.set("version", String(version));
    event.detail.parameters.set("expected", root.dataset.expected);
  });
  document.body.addEventListener("htmx:afterSettle", tabs);
  addEventListener("beforeunload", (event) => { if (dirty || saving) { keepHere(); if (!saving) event.preventDefault(); } });
  addEventListener("online", save);

  function tick(name, values) { for (const node of document.querySelectorAll(`input[name=${name}]`)) node.checked = values.includes(node.value); }

  // What was kept here goes through the server's normaliser like any paste before it is shown again; until it is, the copy stays.
  async function takeLocal(name) {
    const form = JSON.parse(localStorage.getItem(name)).form, facts = form.facts;
    doc().body.focus();
    doc().execCommand("selectAll", false);
    if (!await clean(form.html)) return;
    for (const field of ["title", "summary", "author", "message"]) $(field).value = form[field];
    $("source-name").value = form.source.name;
    $("source-url").value = form.source.url;
    tick("source", [form.source.kind]);
    tick("category", [facts.category]);
    tick("fact", Object.keys(facts).filter((fact) => facts[fact] === true));
    tick("channel", form.targets.map((target) => target.channel));
    tick("when", [form.scheduled ? "fixed" : "soon"]);
    $("scheduled").value = form.scheduled ? new Date(Date.parse(form.scheduled) + 8 * 3600 * 1000).toISOString().slice(0, 16) : "";
    if (document.querySelector(`#covers [data-digest="${form.cover}"]`)) cover = form.cover;
    marks();
    changed();
    dropLocal(name);
  }

  function dropLocal(name) { localStorage.removeItem(name); offer(); }

  function offer() {
    const names = Object.keys(localStorage).filter((name) => name !== key && (name === kept || name.startsWith(kept + ":"))).sort();
    const newest = names[names.length - 1];
    $("local-copy").hidden = !newest;
    $("use-local").onclick = () => takeLocal(newest);
    $("drop-local").onclick = () => dropLocal(newest);
  }
  offer();
  titleCount();
  marks();
})();
