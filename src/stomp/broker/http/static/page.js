// The page of the broker. Everything that comes from clients gets into the page by textContent, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const MAX_FRAMES = 500;
const PAGE = 50;
const view = { name: "destinations", destination: "", offset: 0 };
let stream = null;
let state = null;
let pausedFrames = false;
let missed = 0;

/** An element with attributes, properties and children; texts become text nodes. */
function make(tag, options, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

const button = (text, action, kind) => make("button", { type: "button", class: "small " + (kind || ""), onclick: action }, text);
const count = (number) => number.toLocaleString("en");

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  while (number >= 1024 && at < 3) { number /= 1024; at += 1; }
  return (at && number < 10 ? number.toFixed(1) : Math.round(number)) + " " + units[at];
}

// ------------------------------------------------------------------------------------- the API

async function api(method, path, fields) {
  const options = { method, headers: {} };
  if (fields !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(fields);
  }
  const response = await fetch("api/v1" + path, options);
  const answer = await response.json();
  if (response.status === 401 && path !== "/login") showLogin(true);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function attempt(action) {
  try {
    notice("");
    return await action();
  } catch (error) {
    notice(error.message);
    return null;
  }
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

/** Ask a question; returns true, the text of the input, or null. */
function ask(text, value) {
  const dialog = $("ask"), input = $("ask-value");
  $("ask-text").textContent = text;
  input.hidden = value === undefined;
  input.value = value || "";
  dialog.returnValue = "";
  dialog.showModal();
  if (value !== undefined) input.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    resolve(dialog.returnValue !== "yes" ? null : value === undefined ? true : input.value);
  }, { once: true }));
}

function showLogin(shown) {
  $("login").hidden = !shown;
  document.querySelector("main").hidden = shown;
  if (shown) { close(); live("login needed", "warn"); $("login-user").focus(); }
}

// ------------------------------------------------------------------------------------- the live stream

function live(text, kind) {
  $("live").textContent = text;
  $("live").className = "badge " + kind;
}

function close() {
  if (stream) stream.close();
  stream = null;
}

function open() {
  close();
  const wanted = new URLSearchParams({
    match: $("match").value, sort: $("sort").value, commands: $("frame-commands").value,
    destination: $("frame-destination").value, text: $("frame-text").value, connection: $("frame-connection").value,
  });
  stream = new EventSource("api/v1/events?" + wanted);
  stream.addEventListener("open", () => live("live", "good"));
  stream.addEventListener("error", () => {
    live("no connection", "bad");
    // A refused stream has no status here, so a request of its own shows whether a login is needed.
    api("GET", "/overview").catch(() => {});
  });
  stream.addEventListener("state", (event) => { state = JSON.parse(event.data); draw(); });
  stream.addEventListener("frames", (event) => addFrames(JSON.parse(event.data)));
}

function reopenLater() {
  clearTimeout(reopenLater.timer);
  reopenLater.timer = setTimeout(() => { $("frames").replaceChildren(); missed = 0; open(); }, 250);
}

// ------------------------------------------------------------------------------------- drawing

function draw() {
  const all = state.overview;
  $("urls").textContent = all.urls.join("  ");
  $("total-messages").textContent = count(all.messages);
  $("total-memory").textContent = bytes(all.bytes);
  $("total-memory").title = "of " + bytes(all.max_bytes);
  $("total-connections").textContent = count(all.connections);
  $("total-dead").textContent = count(all.total.dead_lettered);
  $("rate-in").textContent = count(all.in_rate);
  $("rate-out").textContent = count(all.out_rate);
  plot($("rates"), all.history, 120);
  drawDestinations(state.destinations);
  drawFaults(all.faults);
  if (view.name === "connections") drawConnections(state.connections);
}

/** Keep the elements of rows that are there already, so that the focus stays. */
function update(parent, items, key, fill, tag) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const focused = document.activeElement;
  const path = focused && parent.contains(focused) ? focused.dataset.action : null;
  const row = path ? focused.closest("[data-key]").dataset.key : null;
  const rows = items.map((item) => {
    const name = String(key(item));
    const element = old.get(name) || make(tag, {});
    element.dataset.key = name;
    const text = JSON.stringify(item);
    if (element.dataset.state !== text) { element.dataset.state = text; fill(element, item); }
    return element;
  });
  if (rows.length !== parent.children.length || rows.some((each, at) => each !== parent.children[at])) parent.replaceChildren(...rows);
  if (path) {
    const again = rows.find((each) => each.dataset.key === row);
    const control = again && [...again.querySelectorAll("[data-action]")].find((each) => each.dataset.action === path);
    if (control && control !== document.activeElement) control.focus();
  }
}

function action(name, element) {
  element.dataset.action = name;
  return element;
}

function drawDestinations(found) {
  $("destination-count").textContent = found.items.length < found.total ? `${found.items.length} of ${count(found.total)}` : "";
  $("no-destinations").hidden = found.total > 0;
  $("known").replaceChildren(...found.items.map((each) => make("option", { value: each.name })));
  update($("destinations"), found.items, (each) => each.name, (row, each) => {
    const cell = (name, value, extra) => make("td", { class: "n " + (extra || ""), "data-name": name }, count(value));
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "plot");
    plot(svg, each.history, 60);
    row.replaceChildren(
      make("td", {}, action("open", make("button", { type: "button", class: "link code", onclick: () => openMessages(each.name) }, each.name)),
        each.paused ? make("span", { class: "badge warn" }, "paused") : null),
      cell("waiting", each.waiting), cell("unacked", each.unacknowledged), cell("consumers", each.consumers),
      cell("in/s", each.in_rate), cell("out/s", each.out_rate), make("td", { class: "extra" }, svg),
      cell("redelivered", each.redelivered, "extra"), cell("dead", each.dead_lettered),
      make("td", { class: "extra" }, action("pause", button(each.paused ? "Resume" : "Pause", () => pause(each.name, !each.paused)))),
    );
  }, "tr");
}

const pause = (destination, paused) => attempt(() => api("POST", "/faults/pause", { destination, paused }));

function facts(pairs) {
  return make("dl", {}, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { class: "code" }, value)]));
}

function drawConnections(found) {
  $("no-connections").hidden = found.total > 0;
  update($("connections"), found.items.map(({ frames_received, frames_sent, bytes_received, bytes_sent, ...rest }) =>
    ({ ...rest, in: bytes(bytes_received), out: bytes(bytes_sent), frames: [frames_received, frames_sent] })),
  (each) => each.number, (item, each) => {
    item.className = "item";
    item.replaceChildren(
      make("div", { class: "bar" }, make("b", {}, `Connection ${each.number}`), make("span", { class: "code faint" }, each.peer),
        make("span", { class: "badge" }, each.version ? "STOMP " + each.version : "no login yet"),
        action("drop", button("Drop", () => attempt(() => api("DELETE", `/connections/${each.number}`)), "danger")),
        action("frames", button("Its frames", () => { $("frame-connection").value = each.number; reopenLater(); show("frames"); }))),
      facts([
        ["user", each.login ?? "none"], ["client", each.client_name ?? each.client_id ?? "unknown"],
        ["heart-beats", each.heartbeat.map((ms) => ms ? ms + " ms" : "none").join(", ")],
        ["received", `${count(each.frames[0])} frames, ${each.in}`], ["sent", `${count(each.frames[1])} frames, ${each.out}`],
      ]),
      ...each.subscriptions.map((one) => make("div", { class: "bar" },
        make("span", { class: "code" }, one.destination), make("span", { class: "badge" }, "ack " + one.ack),
        make("span", { class: "faint" }, `id ${one.key}, ${count(one.unacknowledged)} of ${count(one.prefetch)} unacknowledged` +
          (one.selector ? `, selector ${one.selector}` : "") + (one.durable ? ", durable" : "")),
        action("stall " + one.key, button(one.stalled ? "Continue" : "Stall",
          () => attempt(() => api("POST", "/faults/stall", { connection: each.number, subscription: one.key, stalled: !one.stalled })))),
        one.stalled ? make("span", { class: "badge warn" }, "stalled") : null)),
    );
  }, "li");
}

function drawFaults(faults) {
  const logins = $("fault-logins");
  logins.setAttribute("aria-pressed", faults.refuse_logins);
  logins.textContent = faults.refuse_logins ? "Accept again" : "Refuse";
  $("fault-left").textContent = faults.errors_on_send ? `${count(faults.errors_on_send)} left` : "off";
  $("fault-delayed").textContent = faults.delay ? `${faults.delay} s` : "off";
  update($("paused"), faults.paused, (name) => name, (item, name) => {
    item.replaceChildren(make("span", { class: "code" }, name), " ", action("resume", button("Resume", () => pause(name, false))));
  }, "li");
  $("pause").textContent = faults.paused.includes(view.destination) ? "Resume" : "Pause";
}

// ------------------------------------------------------------------------------------- frames

const PART = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/** A body as an element; JSON is indented and coloured. */
function bodyOf(message) {
  const pre = make("pre", {});
  if (message.encoding === "base64") {
    const data = atob(message.body);
    const lines = [];
    for (let at = 0; at < Math.min(data.length, 4096); at += 16) {
      const part = [...data.slice(at, at + 16)];
      const hex = part.map((char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
      lines.push(at.toString(16).padStart(6, "0") + "  " + hex.padEnd(48) + " " + part.map((char) => (char >= " " && char <= "~" ? char : ".")).join(""));
    }
    pre.append(lines.join("\n"));
  } else if (message.encoding === "json" && !message.truncated) {
    const text = JSON.stringify(JSON.parse(message.body), null, 2);
    let from = 0;
    for (const found of text.matchAll(PART)) {
      pre.append(text.slice(from, found.index), make("span", { class: found[2] ? "key" : found[1] ? "string" : "value" }, found[0]));
      from = found.index + found[0].length;
    }
    pre.append(text.slice(from));
  } else pre.append(message.body);
  if (message.truncated) pre.append("\n… " + bytes(message.size) + " in all");
  return pre;
}

function addFrames(batch) {
  if (pausedFrames) { missed += batch.missed + batch.items.length; return showMissed(); }
  missed += batch.missed;
  showMissed();
  const list = $("frames");
  for (const frame of batch.items) {
    const details = make("details", {},
      make("summary", {},
        make("span", { class: "faint" }, new Date(frame.time * 1000).toLocaleTimeString("en-GB") + " "),
        make("span", { class: frame.sent ? "out" : "in" }, (frame.sent ? "→ " : "← ") + frame.connection + " "),
        make("b", { class: frame.command === "ERROR" ? "ERROR" : "" }, frame.command), " ",
        frame.headers.destination ?? frame.headers["receipt-id"] ?? frame.headers.message ?? frame.headers.id ?? "", " ",
        make("span", { class: "faint" }, frame.encoding === "base64" ? bytes(frame.size) : frame.body.slice(0, 200).replace(/\s+/g, " "))));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) {
        details.append(facts(Object.entries(frame.headers)), frame.size ? bodyOf(frame) : "");
      }
    });
    list.prepend(make("li", {}, details));
  }
  while (list.children.length > MAX_FRAMES) list.lastChild.remove();
}

function showMissed() {
  $("frame-missed").textContent = missed ? `${count(missed)} not shown` : "";
}

// ------------------------------------------------------------------------------------- messages

async function openMessages(name) {
  view.destination = name;
  view.offset = 0;
  show("messages");
  await loadMessages();
}

async function loadMessages() {
  const name = view.destination;
  const query = new URLSearchParams({ destination: name, offset: view.offset, limit: PAGE });
  const found = await attempt(() => api("GET", "/messages?" + query));
  if (!found) return;
  $("messages-name").textContent = name;
  const end = view.offset + found.items.length;
  $("message-count").textContent = found.total ? `${view.offset + 1} to ${end} of ${count(found.total)}` : "no messages";
  $("older").disabled = view.offset === 0;
  $("newer").disabled = end >= found.total;
  $("retry-all").hidden = !(state && name === state.overview.dead_letter_queue);
  if (state) drawFaults(state.overview.faults);
  $("messages").replaceChildren(...found.items.map(messageItem));
}

function messageItem(message) {
  const change = (operation) => async () => { await attempt(operation); await loadMessages(); };
  const numbers = [message.number];
  const destination = view.destination;
  const url = `api/v1/messages/${message.number}/body?` + new URLSearchParams({ destination });
  return make("li", { class: "item" },
    make("div", { class: "bar" }, make("b", {}, "#" + message.number), make("span", { class: "faint" }, bytes(message.size)),
      make("span", { class: "badge" }, message.encoding === "base64" ? "binary" : message.encoding),
      message.waiting ? null : make("span", { class: "badge warn" }, "unacknowledged"),
      message.redelivered ? make("span", { class: "badge warn" }, "redelivered") : null,
      button("Copy as command", () => copy(command(destination, message.headers, message))),
      button("Send again…", () => fillForm(destination, message)),
      make("a", { href: url, download: "" }, "Download"),
      message.waiting ? button("Move…", async () => {
        const to = await ask("Move this message to", "/queue/");
        if (to) await change(() => api("POST", "/messages/move", { destination, to, numbers }))();
      }) : null,
      message.waiting && message.headers["original-destination"] ? button("Retry", change(() => api("POST", "/messages/retry", { destination, numbers }))) : null,
      message.waiting ? button("Delete", change(() => api("DELETE", "/messages?" + new URLSearchParams({ destination, number: message.number }))), "danger") : null),
    facts(Object.entries(message.headers)), bodyOf(message));
}

/** The `stomp send` command of a message, quoted for a POSIX shell. */
function command(destination, headers, message) {
  const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";
  const words = ["stomp", "send"];
  for (const [name, value] of Object.entries(headers)) {
    if (!["content-length", "destination", "message-id", "subscription"].includes(name)) words.push("--header", quoted(`${name}:${value}`));
  }
  words.push("--", quoted(destination), quoted(message.body));
  if (message.encoding !== "base64") return words.join(" ");
  words.splice(-1, 1, "-");
  return `printf %s ${quoted(message.body)} | base64 -d | ${words.join(" ")}`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("");
  } catch {
    // Without HTTPS or on an old browser there is no clipboard.
    await ask("Copy this command", text);
  }
}

// ------------------------------------------------------------------------------------- sending

function headersOfForm() {
  const headers = {};
  for (const line of $("send-headers").value.split("\n")) {
    if (!line.trim()) continue;
    const at = line.indexOf(":");
    if (at < 1) throw new Error(`A header is written NAME:VALUE, not "${line}"`);
    headers[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return headers;
}

function fillForm(destination, message) {
  $("send-destination").value = destination;
  $("send-headers").value = Object.entries(message.headers).map(([name, value]) => `${name}:${value}`).join("\n");
  $("send-body").value = message.encoding === "base64" ? "" : message.body;
  show("send");
}

const BUILT_IN = {
  "JSON": { headers: { "content-type": "application/json" }, body: '{\n  "id": 1\n}' },
  "persistent text": { headers: { persistent: "true", "content-type": "text/plain" }, body: "hello" },
  "expires after a minute": { headers: { expiration: "60000" }, body: "soon gone" },
  "request with a reply": { headers: { "reply-to": "/queue/replies", "correlation-id": "1" }, body: "question" },
};

function savedTemplates() {
  try {
    return JSON.parse(localStorage.getItem("stomp-templates") || "{}");
  } catch {
    return {};
  }
}

function drawTemplates() {
  const names = [...Object.keys(BUILT_IN), ...Object.keys(savedTemplates())];
  $("template").replaceChildren(make("option", { value: "" }, "none"), ...names.map((name) => make("option", { value: name }, name)));
}

// ------------------------------------------------------------------------------------- views, events

function show(name) {
  view.name = name;
  for (const section of document.querySelectorAll("section[id^=view-]")) section.hidden = section.id !== "view-" + name;
  for (const tab of document.querySelectorAll("nav button")) {
    if (tab.dataset.view === (name === "messages" ? "destinations" : name)) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (state) draw();
}

for (const tab of document.querySelectorAll("nav button")) tab.addEventListener("click", () => show(tab.dataset.view));
const KEYS = { d: "destinations", c: "connections", f: "frames", s: "send", a: "faults" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open || event.target.matches("input, textarea, select")) return;
  if (KEYS[event.key]) { show(KEYS[event.key]); event.preventDefault(); }
  if (event.key === "p" && view.name === "frames") $("frame-pause").click();
  if (event.key === "Escape" && view.name === "messages") show("destinations");
  if (event.key === "/") { (view.name === "frames" ? $("frame-text") : (show("destinations"), $("match"))).focus(); event.preventDefault(); }
});

const on = (id, name, handler) => $(id).addEventListener(name, handler);
for (const id of ["match", "frame-destination", "frame-text", "frame-connection"]) on(id, "input", reopenLater);
for (const id of ["sort", "frame-commands"]) on(id, "change", reopenLater);
on("frame-pause", "click", () => {
  pausedFrames = !pausedFrames;
  $("frame-pause").setAttribute("aria-pressed", pausedFrames);
  $("frame-pause").textContent = pausedFrames ? "Continue" : "Pause";
});
on("frame-clear", "click", () => { $("frames").replaceChildren(); missed = 0; showMissed(); });
on("back", "click", () => show("destinations"));
on("reload", "click", loadMessages);
on("older", "click", () => { view.offset = Math.max(0, view.offset - PAGE); loadMessages(); });
on("newer", "click", () => { view.offset += PAGE; loadMessages(); });
on("send-here", "click", () => { $("send-destination").value = view.destination; show("send"); });
on("pause", "click", () => pause(view.destination, !state.overview.faults.paused.includes(view.destination)));
on("purge", "click", async () => {
  if (!await ask(`Delete all waiting messages of ${view.destination}?`)) return;
  await attempt(() => api("DELETE", "/messages?" + new URLSearchParams({ destination: view.destination })));
  await loadMessages();
});
on("move-all", "click", async () => {
  const to = await ask(`Move all waiting messages of ${view.destination} to`, "/queue/");
  if (!to) return;
  await attempt(() => api("POST", "/messages/move", { destination: view.destination, to }));
  await loadMessages();
});
on("retry-all", "click", async () => {
  await attempt(() => api("POST", "/messages/retry", { destination: view.destination }));
  await loadMessages();
});
on("send", "submit", async (event) => {
  event.preventDefault();
  const sent = await attempt(() => api("POST", "/messages", {
    destination: $("send-destination").value, headers: headersOfForm(), body: $("send-body").value,
  }));
  $("sent").textContent = sent ? "sent at " + new Date().toLocaleTimeString("en-GB") : "";
});
on("send-copy", "click", () => attempt(() => copy(command($("send-destination").value, headersOfForm(), { encoding: "text", body: $("send-body").value }))));
on("template", "change", () => {
  const chosen = BUILT_IN[$("template").value] || savedTemplates()[$("template").value];
  if (!chosen) return;
  $("send-headers").value = Object.entries(chosen.headers).map(([name, value]) => `${name}:${value}`).join("\n");
  $("send-body").value = chosen.body;
});
on("save-template", "click", () => attempt(async () => {
  const headers = headersOfForm();
  const name = await ask("Name of the template", "mine");
  if (!name) return;
  localStorage.setItem("stomp-templates", JSON.stringify({ ...savedTemplates(), [name]: { headers, body: $("send-body").value } }));
  drawTemplates();
}));
on("fault-logins", "click", () => attempt(() => api("PATCH", "/faults", { refuse_logins: !state.overview.faults.refuse_logins })));
on("fault-send", "submit", (event) => {
  event.preventDefault();
  attempt(() => api("PATCH", "/faults", { errors_on_send: Number($("fault-count").value), error_destination: $("fault-destination").value }));
});
on("fault-delay", "submit", (event) => {
  event.preventDefault();
  attempt(() => api("PATCH", "/faults", { delay: Number($("fault-seconds").value) }));
});
on("login", "submit", async (event) => {
  event.preventDefault();
  const done = await attempt(() => api("POST", "/login", { user: $("login-user").value, password: $("login-password").value }));
  $("login-password").value = "";
  if (!done) return;
  $("logout").hidden = false;
  showLogin(false);
  open();
});
on("logout", "click", async () => {
  await attempt(() => api("POST", "/logout"));
  $("logout").hidden = true;
  state = null;
  for (const id of ["frames", "messages", "connections", "destinations"]) $(id).replaceChildren();
  showLogin(true);
});

drawTemplates();
open();
