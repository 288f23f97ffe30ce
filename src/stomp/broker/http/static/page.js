// The page of the broker: its views, its keys, and the live stream.
import { $, badge, button, bytes, count, facts, make, update } from "./dom.js";
import { api, ask, attempt, command, copy, hooks, notice } from "./api.js";
import { bodyOf, formsOf, preview } from "./bodies.js";
import { newPlot, plot } from "./plots.js";

const MAX_FRAMES = 500;
const PAGE = 50, DESTINATIONS = 100;
const view = { name: "destinations", destination: "", offset: 0, chosen: null, sending: false, form: null };
const list = { sort: "name", offset: 0 };
let stream = null, state = null;
let wasLost = false, pausedFrames = false, missed = 0, lastFrame = 0, held = [];
let found = { items: [], total: 0 }, shownNumbers = "", loading = false;

const on = (id, name, handler) => $(id).addEventListener(name, handler);
const number = (value, kind) => make("span", { class: value ? kind || "" : "zero" }, count(value));

// ------------------------------------------------------------------------------------- the live stream

function live(text, kind) {
  $("live").textContent = text;
  $("live").className = "dot " + kind;
}

function close() {
  if (stream) stream.close();
  stream = null;
}

function open() {
  close();
  const wanted = new URLSearchParams({
    match: $("match").value, sort: list.sort, offset: list.offset, limit: DESTINATIONS, open: view.name === "messages" ? view.destination : "",
    commands: $("frame-commands").value, destination: $("frame-destination").value, text: $("frame-text").value, connection: $("frame-connection").value,
  });
  stream = new EventSource("api/v1/events?" + wanted);
  stream.addEventListener("open", () => {
    live("live", "good");
    if (wasLost) clearFrames();  // perhaps another broker, whose frames have numbers of their own
    wasLost = false;
  });
  stream.addEventListener("error", () => {
    live("no connection", "bad");
    wasLost = true;
    // A refused stream has no status here, so a request of its own shows whether a login is needed.
    api("GET", "/overview").catch(() => {});
    if (stream && stream.readyState === EventSource.CLOSED) later("again", open, 2000);
  });
  stream.addEventListener("state", (event) => { state = JSON.parse(event.data); draw(); });
  stream.addEventListener("frames", (event) => addFrames(JSON.parse(event.data)));
}

const timers = {};
function later(name, action, wait) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(action, wait);
}

/** Filter the frames anew, when the user has stopped typing. */
function refilter() {
  later("open", () => { clearFrames(); open(); }, 250);
}

function clearFrames() {
  $("frames").replaceChildren();
  $("no-frames").hidden = false;
  missed = lastFrame = 0;
  held = [];
  showMissed();
}

function showLogin(text) {
  $("login").hidden = text === null;
  document.querySelector("main").hidden = document.querySelector("nav").hidden = text !== null;
  if (text === null) return;
  close();
  clearTimeout(timers.again);
  live("login needed", "warn");
  $("login").querySelector("p").textContent = text.includes("certificate") ? text : "With a user of the broker.";
  $("login-user").focus();
}
hooks.onLoginNeeded = showLogin;

// ------------------------------------------------------------------------------------- drawing

function draw() {
  const all = state.overview;
  $("copy-url").textContent = all.urls[0] ?? "";
  $("copy-url").title = "Copy the address: " + all.urls.join("  ");
  $("dialect").textContent = all.dialect === "tolerant" ? "" : all.dialect;
  $("user").textContent = all.user ?? "";
  $("logout").hidden = all.user === null;
  $("version").textContent = "stompkit " + all.version;
  $("count-destinations").textContent = all.destinations ? count(all.destinations) : "";
  $("count-connections").textContent = state.connections.total ? count(state.connections.total) : "";
  $("total-waiting").textContent = count(all.messages - all.unacknowledged);
  $("total-unacknowledged").textContent = count(all.unacknowledged);
  $("total-dead").textContent = count(all.dead_letters);
  $("total-dead").className = all.dead_letters ? "warn" : "";
  $("total-memory").textContent = bytes(all.bytes);
  $("total-memory").title = "of " + bytes(all.max_bytes);
  $("memory").value = all.bytes / all.max_bytes;
  $("rate-in").textContent = count(all.in_rate);
  $("rate-out").textContent = count(all.out_rate);
  const most = plot($("rates"), all.history, 120);
  $("rates-most").textContent = most ? count(most) + "/s" : "";
  drawDestinations(state.destinations);
  drawFaults(all.faults);
  if (view.name === "connections") drawConnections(state.connections);
  if (view.name === "messages") drawDestination(state.open);
}

function drawDestinations({ items, total, offset }) {
  const matched = $("match").value;
  $("destination-count").textContent = matched ? `${count(total)} with “${matched}”` : "";
  $("no-destinations").hidden = total > 0 || matched !== "";
  $("empty-url").textContent = state.overview.urls[0] ?? "";
  $("empty-command").textContent = "stomp send /queue/hello 'hello'";
  $("destination-pages").hidden = total <= items.length && !offset;
  $("destinations-before").disabled = !offset;
  $("destinations-after").disabled = offset + items.length >= total;
  $("destination-range").textContent = `${count(Math.min(offset + 1, total))} to ${count(offset + items.length)} of ${count(total)}`;
  for (const head of document.querySelectorAll("[data-sort]")) {
    if (head.dataset.sort === list.sort) head.parentElement.setAttribute("aria-sort", list.sort === "name" ? "ascending" : "descending");
    else head.parentElement.removeAttribute("aria-sort");
  }
  $("known").replaceChildren(...items.map((each) => make("option", { value: each.name })));
  update($("destinations"), items, (each) => each.name, (row, each) => {
    const cell = (name, value, kind, extra) => make("td", { class: "n " + (extra || ""), "data-name": name }, number(value, kind));
    const svg = newPlot();
    plot(svg, each.history, 60);
    row.replaceChildren(
      make("td", {}, make("span", { class: "kind " + each.kind }, each.kind === "temporary" ? "temp" : each.kind),
        make("button", { type: "button", class: "link code", "data-action": "open", onclick: () => openMessages(each.name) }, each.name), " ",
        each.paused && badge("paused", "warn")),
      cell("waiting", each.waiting), cell("unacked", each.unacknowledged), cell("consumers", each.consumers),
      cell("in/s", each.in_rate, "in"), cell("out/s", each.out_rate, "out"), make("td", { class: "off" }, svg),
      cell("redelivered", each.redelivered, "warn", "off"), cell("dead", each.dead_lettered, "warn", "off"),
      make("td", { class: "n off" }, !state.overview.limited && button("pause", each.paused ? "Resume" : "Pause", () => pause(each.name, !each.paused), each.paused ? "" : "quiet")),
    );
  }, "tr");
}

const pause = (destination, paused) => attempt(() => api("POST", "/faults/pause", { destination, paused }));
const stall = (connection, subscription, stalled) => attempt(() => api("POST", "/faults/stall", { connection, subscription, stalled }));

function drawConnections({ items, total }) {
  $("no-connections").hidden = total > 0;
  $("connection-count").textContent = total > items.length ? `The first ${items.length} of ${count(total)} connections.` : "";
  const rows = items.flatMap((each) => [
    { ...each, row: String(each.number), subscriptions: each.subscriptions.length },
    ...each.subscriptions.map((one) => ({ ...one, connection: each.number, row: each.number + " " + one.key })),
  ]);
  update($("connections"), rows, (each) => each.row, (row, each) => each.number === undefined ? subscriptionRow(row, each) : connectionRow(row, each), "tr");
}

function connectionRow(row, each) {
  const beat = (ms) => ms ? (ms >= 1000 ? ms / 1000 + " s" : ms + " ms") : "none";
  const traffic = (name, frames, size) => make("td", { class: "n", "data-name": name }, number(frames), make("span", { class: "faint" }, ` frames, ${bytes(size)}`));
  row.replaceChildren(
    make("td", {}, make("b", {}, each.number), " ", each.client_name ?? each.client_id ? make("span", { class: "code" }, each.client_name ?? each.client_id) : make("span", { class: "zero" }, "unknown client")),
    make("td", { "data-name": "user" }, each.login ?? make("span", { class: "zero" }, "none")), make("td", { class: "code faint" }, each.peer),
    make("td", { "data-name": "STOMP" }, each.version ?? make("span", { class: "warn" }, "no login yet")),
    make("td", { "data-name": "heart-beats" }, make("span", { class: "faint" }, `${beat(each.heartbeat[0])}, ${beat(each.heartbeat[1])}`)),
    traffic("received", each.frames_received, each.bytes_received), traffic("sent", each.frames_sent, each.bytes_sent),
    make("td", { class: "n", "data-name": "unacked" }, number(each.unacknowledged)),
    make("td", { class: "n" }, button("frames", "Frames", () => { $("frame-connection").value = each.number; refilter(); show("frames"); }), " ",
      button("drop", "Drop", () => attempt(() => api("DELETE", `/connections/${each.number}`)), "danger")),
  );
}

function subscriptionRow(row, one) {
  row.className = "sub";
  row.replaceChildren(make("td", { colspan: "9" }, make("div", { class: "bar" },
    button("destination", one.destination, () => openMessages(one.destination), "link code"), badge("ack " + one.ack),
    one.durable && badge("durable"), one.stalled && badge("stalled", "warn"),
    make("meter", { class: "window", min: 0, max: one.prefetch, value: one.unacknowledged, title: "unacknowledged of prefetch" }),
    make("span", { class: "faint" }, `${count(one.unacknowledged)} of ${count(one.prefetch)} unacknowledged, id ${one.key}`,
      one.waiting ? `, ${count(one.waiting)} waiting` : "", one.selector ? `, selector ${one.selector}` : ""),
    make("span", { class: "space" }),
    button("stall", one.stalled ? "Continue" : "Stall", () => stall(one.connection, one.key, !one.stalled), "", one.key))));
}

function drawFaults(faults) {
  const limited = state.overview.limited;
  document.querySelector("#view-faults .cards").hidden = limited;
  $("no-faults").hidden = !limited;
  $("faults-off").hidden = limited;
  $("pause").hidden = limited;
  const logins = $("fault-logins");
  logins.setAttribute("aria-pressed", faults.refuse_logins);
  logins.textContent = faults.refuse_logins ? "Accept again" : "Refuse";
  const states = {
    "logins-on": faults.refuse_logins && "on",
    "errors-on": faults.errors_on_send && `${count(faults.errors_on_send)} left` + (faults.error_destination ? ` to ${faults.error_destination}` : ""),
    "delay-on": faults.delay && `${faults.delay} s`,
    "paused-on": faults.paused.length && count(faults.paused.length),
    "stalled-on": faults.stalled.length && count(faults.stalled.length),
  };
  for (const [id, text] of Object.entries(states)) { $(id).hidden = !text; $(id).textContent = text || ""; }
  const number = Object.values(states).filter(Boolean).length;
  $("count-faults").textContent = number ? `${number} on` : "";
  $("faults-off").disabled = !number;
  update($("paused"), faults.paused, (name) => name, (item, name) => {
    item.replaceChildren(button("resume", "Resume", () => pause(name, false)), " ", make("span", { class: "code" }, name));
  }, "li");
  update($("stalled"), faults.stalled, (each) => each.connection + " " + each.subscription, (item, each) => {
    item.replaceChildren(button("continue", "Continue", () => stall(each.connection, each.subscription, false)), " ",
      make("span", { class: "code" }, `connection ${each.connection}, id ${each.subscription}`));
  }, "li");
  const paused = faults.paused.includes(view.destination);
  $("pause").textContent = paused ? "Resume" : "Pause";
  $("pause").setAttribute("aria-pressed", paused);
}

async function allFaultsOff() {
  const { paused, stalled } = state.overview.faults;
  await api("PATCH", "/faults", { refuse_logins: false, errors_on_send: 0, error_destination: "", delay: 0 });
  for (const destination of paused) await api("POST", "/faults/pause", { destination, paused: false });
  for (const each of stalled) await api("POST", "/faults/stall", { ...each, stalled: false });
}

// ------------------------------------------------------------------------------------- frames

function addFrames(batch) {
  const items = batch.items.filter((frame) => frame.number > lastFrame);
  if (items.length) lastFrame = items.at(-1).number;
  missed += batch.missed;
  if (pausedFrames) {
    missed += Math.max(0, held.length + items.length - MAX_FRAMES);
    held = [...held, ...items].slice(-MAX_FRAMES);
  } else showFrames(items);
  showMissed();
}

function showFrames(items) {
  const rows = $("frames");
  rows.prepend(...items.map(frameItem).reverse());
  while (rows.children.length > MAX_FRAMES) rows.lastChild.remove();
  $("no-frames").hidden = rows.children.length > 0;
}

function frameItem(frame) {
  const at = new Date(frame.time * 1000);
  const time = at.toLocaleTimeString("en-GB") + "." + String(at.getMilliseconds()).padStart(3, "0");
  const of = frame.headers.destination ?? frame.headers["receipt-id"] ?? frame.headers.message ?? frame.headers.id ?? frame.headers.login ?? "";
  const kind = frame.command === "ERROR" ? "ERROR" : ["SEND", "MESSAGE"].includes(frame.command) ? "main" : "";
  const summary = make("summary", { "data-action": "frame" }, make("span", { class: "faint" }, time),
    make("span", { class: frame.sent ? "out" : "in", title: frame.sent ? "sent to the connection" : "received from the connection" }, (frame.sent ? "→ " : "← ") + frame.connection),
    make("span", { class: kind }, frame.command), make("span", {}, of), make("span", { class: "faint" }, preview(frame)));
  const details = make("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(facts(Object.entries(frame.headers)), frame.size ? bodyOf(frame) : "");
  });
  return make("li", { "data-key": frame.number }, details);
}

function showMissed() {
  $("frame-missed").textContent = [held.length ? `${count(held.length)} held` : "", missed ? `${count(missed)} not shown` : ""].filter(Boolean).join(", ");
}

// ------------------------------------------------------------------------------------- messages

async function openMessages(name) {
  Object.assign(view, { destination: name, offset: 0, chosen: null, sending: false, form: null });
  found = { items: [], total: 0 };
  shownNumbers = "";
  $("messages").replaceChildren();
  $("message-text").value = "";
  show("messages");
  open();
  await loadMessages();
}

/** The numbers of the destination that is open; its messages are read anew if they have changed. */
function drawDestination(each) {
  $("messages-name").textContent = view.destination;
  const parts = each ? [["waiting", each.waiting], ["unacknowledged", each.unacknowledged], ["in/s", each.in_rate], ["out/s", each.out_rate],
    ["redelivered", each.redelivered], ["dead-lettered", each.dead_lettered], ["expired", each.expired], ["dropped", each.dropped]] : [];
  $("messages-facts").replaceChildren(...parts.filter(([, value], at) => value || at < 2).flatMap(([name, value], at) => [at ? ", " : "", make("b", {}, count(value)), " " + name]));
  plot($("messages-plot"), each ? each.history : [], 60);
  const consumers = state.connections.items.flatMap((one) => one.subscriptions.filter((sub) => sub.destination === view.destination).map((sub) => ({ ...sub, connection: one.number, name: one.client_name ?? one.login ?? "" })));
  update($("consumers"), consumers.slice(0, 8), (sub) => sub.connection + " " + sub.key, (chip, sub) => {
    chip.className = "badge" + (sub.stalled ? " warn" : "");
    chip.replaceChildren(`${["connection", sub.connection, sub.name].join(" ").trim()}, ack ${sub.ack}, ${count(sub.unacknowledged)} of ${count(sub.prefetch)} unacknowledged${sub.stalled ? ", stalled" : ""}`);
  }, "span");
  const now = each ? [each.waiting, each.unacknowledged, each.received, each.delivered, each.acknowledged, each.dropped, each.expired].join() : "";
  if (now !== shownNumbers && !loading) { shownNumbers = now; attemptQuietly(loadMessages); }
}

async function attemptQuietly(action) {
  try { await action(); } catch (error) { notice(error.message); }
}

async function loadMessages() {
  const name = view.destination;
  loading = true;
  try {
    const answer = await api("GET", "/messages?" + new URLSearchParams({ destination: name, offset: view.offset, limit: PAGE, order: $("order").value, text: $("message-text").value }));
    if (name !== view.destination) return;
    found = answer;
  } catch (error) {
    return notice(error.message);
  } finally {
    loading = false;
  }
  if (view.offset && !found.items.length) { view.offset = Math.max(0, view.offset - PAGE); return loadMessages(); }
  const end = view.offset + found.items.length;
  $("message-count").textContent = (found.total ? `${count(view.offset + 1)} to ${count(end)} of ${count(found.total)}` : "") + (found.unsearched ? `, ${count(found.unsearched)} not searched` : "");
  $("before").disabled = view.offset === 0;
  $("after").disabled = end >= found.total;
  $("no-messages").hidden = found.total > 0;
  $("no-messages").textContent = $("message-text").value ? "No message has this text." : "No messages wait here.";
  $("purge").disabled = $("move-all").disabled = !found.total && !$("message-text").value;
  $("retry-all").hidden = !found.items.some((each) => "original-destination" in each.headers);
  update($("messages"), found.items, (each) => each.number, (item, each) => {
    item.id = "message-" + each.number;
    item.setAttribute("role", "option");
    item.dataset.action = "message";
    item.onclick = () => choose(each.number);
    item.replaceChildren(
      make("span", { class: "one" }, make("span", { class: "faint" }, `#${each.number} `), preview(each) || make("span", { class: "zero" }, "no body")),
      make("span", {}, !each.waiting && badge("unacknowledged", "warn"), each.redelivered && badge("redelivered", "warn"), each.refusals > 0 && badge(`refused ${each.refusals}×`, "warn"), make("span", { class: "faint" }, bytes(each.size))),
      make("span", { class: "two" }, Object.entries(each.headers).map(([header, value]) => `${header}: ${value}`).join(", ").slice(0, 300)));
  }, "li");
  if (view.chosen === null || !found.items.some((each) => each.number === view.chosen)) view.chosen = found.items.length ? found.items[0].number : null;
  drawDetail();
}

function choose(number) {
  Object.assign(view, { chosen: number, sending: false });
  drawDetail();
}

/** The part beside the list: the chosen message, or the form to send one. */
function drawDetail() {
  for (const item of $("messages").children) item.setAttribute("aria-selected", !view.sending && Number(item.dataset.key) === view.chosen);
  if (view.chosen !== null) $("messages").setAttribute("aria-activedescendant", "message-" + view.chosen);
  const detail = $("detail");
  if (view.sending) {
    if (!detail.contains($("send"))) detail.replaceChildren($("send"));
    return;
  }
  $("send-place").append($("send"));
  const message = found.items.find((each) => each.number === view.chosen);
  const key = message ? JSON.stringify([message, view.form]) : "";
  if (detail.drawn === key && detail.firstChild) return;
  detail.drawn = key;
  if (!message) return detail.replaceChildren(make("p", { class: "empty" }, "Send a message to see it here."));
  const focus = detail.contains(document.activeElement) ? document.activeElement.dataset : null;
  detail.replaceChildren(...messageParts(message));
  const again = focus && focus.action && [...detail.querySelectorAll("[data-action]")].find((each) => each.dataset.action === focus.action && each.dataset.of === focus.of);
  if (again) again.focus();
}

function messageParts(message) {
  const { destination } = view, numbers = [message.number];
  const change = (operation) => async () => { await attempt(operation); await attemptQuietly(loadMessages); };
  const forms = formsOf(message), form = forms.includes(view.form) ? view.form : forms[0];
  const dead = "original-destination" in message.headers;
  const url = `api/v1/messages/${message.number}/body?` + new URLSearchParams({ destination });
  return [
    make("div", { class: "bar" }, make("b", {}, "#" + message.number), make("span", { class: "faint" }, bytes(message.size)),
      !message.waiting && badge("unacknowledged", "warn"), message.redelivered && badge("redelivered", "warn"),
      message.expires && badge("expires " + new Date(message.expires * 1000).toLocaleTimeString("en-GB")),
      message.destination !== destination && badge("sent to " + message.destination)),
    make("div", { class: "bar" },
      dead && message.waiting && button("retry", "Retry", change(() => api("POST", "/messages/retry", { destination, numbers })), "main"),
      button("send-again", "Send again…", () => { fillForm(destination, message); view.sending = true; drawDetail(); $("send-destination").focus(); }),
      button("copy", "Copy as command", (event) => copy(command(destination, message.headers, message), event.target)),
      make("a", { href: url, download: "", "data-action": "download" }, "Download body"),
      make("span", { class: "space" }),
      message.waiting && button("move", "Move…", async () => {
        const to = await ask("Move this message to", "/queue/");
        if (to) await change(() => api("POST", "/messages/move", { destination, to, numbers }))();
      }),
      message.waiting && button("delete", "Delete", change(() => api("DELETE", "/messages?" + new URLSearchParams({ destination, number: message.number }))), "danger")),
    facts(Object.entries(message.headers)),
    make("div", { class: "bar" }, make("span", { class: "segments", role: "group", "aria-label": "Form of the body" },
      forms.map((each) => make("button", { type: "button", class: "small", "aria-pressed": each === form ? "true" : "false", "data-action": "form", "data-of": each, onclick: () => { view.form = each; drawDetail(); } }, each)))),
    bodyOf(message, form),
  ];
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

const linesOf = (headers) => Object.entries(headers).map(([name, value]) => `${name}:${value}`).join("\n");

function fillForm(destination, message) {
  $("send-destination").value = destination;
  $("send-headers").value = linesOf(message.headers);
  $("send-body").value = message.encoding === "base64" ? "" : message.body;
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

function drawTemplates(chosen) {
  const saved = savedTemplates();
  const names = [...Object.keys(BUILT_IN), ...Object.keys(saved)];
  $("template").replaceChildren(make("option", { value: "" }, "none"), ...names.map((name) => make("option", { value: name }, name)));
  $("template").value = chosen ?? "";
  $("delete-template").hidden = !(chosen in saved);
}

function saveTemplates(templates, chosen) {
  localStorage.setItem("stomp-templates", JSON.stringify(templates));
  drawTemplates(chosen);
}

async function newMessage() {
  if (view.name === "messages") {
    $("send-destination").value = view.destination;
    view.sending = true;
    drawDetail();
  } else show("send");
  $($("send-destination").value ? "send-body" : "send-destination").focus();
}

on("send", "submit", async (event) => {
  event.preventDefault();
  const sent = await attempt(() => api("POST", "/messages", {
    destination: $("send-destination").value, headers: headersOfForm(), body: $("send-body").value,
  }));
  $("sent").textContent = sent ? "sent at " + new Date().toLocaleTimeString("en-GB") : "";
  if (sent && view.name === "messages") await attemptQuietly(loadMessages);
});
on("send", "keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); $("send").requestSubmit(); }
});
on("send-copy", "click", (event) => attempt(() => copy(command($("send-destination").value, headersOfForm(), { encoding: "text", body: $("send-body").value }), event.target)));
on("template", "change", () => {
  const name = $("template").value;
  const chosen = BUILT_IN[name] || savedTemplates()[name];
  $("delete-template").hidden = !(name in savedTemplates());
  if (!chosen) return;
  $("send-headers").value = linesOf(chosen.headers);
  $("send-body").value = chosen.body;
});
on("save-template", "click", () => attempt(async () => {
  const headers = headersOfForm();
  const name = await ask("Name of the template", "mine");
  if (name) saveTemplates({ ...savedTemplates(), [name]: { headers, body: $("send-body").value } }, name);
}));
on("delete-template", "click", () => {
  const { [$("template").value]: _, ...rest } = savedTemplates();
  saveTemplates(rest);
});

// ------------------------------------------------------------------------------------- views, events

function show(name) {
  const before = view.name;
  view.name = name;
  for (const section of document.querySelectorAll("section[id^=view-]")) section.hidden = section.id !== "view-" + name;
  for (const tab of document.querySelectorAll("nav button")) {
    if (tab.dataset.view === (name === "messages" ? "destinations" : name)) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (name === "send") $("send-place").append($("send"));
  if (before === "messages" && name !== "messages") later("open", open, 0);
  if (state) draw();
}

/** Move the focus, or the chosen message, by some rows; false if this view has no rows. */
function moveBy(step) {
  if (view.name === "messages") {
    const at = found.items.findIndex((each) => each.number === view.chosen);
    const next = found.items[Math.max(0, Math.min(found.items.length - 1, at + step))];
    if (!next) return false;
    choose(next.number);
    $("message-" + next.number).scrollIntoView({ block: "nearest" });
    return true;
  }
  const rows = { destinations: '#destinations [data-action="open"]', frames: "#frames summary", connections: '#connections [data-action="frames"], #connections [data-action="destination"]' }[view.name];
  if (!rows) return false;
  const all = [...document.querySelectorAll(rows)];
  const next = all[Math.max(0, all.indexOf(document.activeElement) + step)] ?? all.at(-1);
  if (next) next.focus();
  return Boolean(next);
}

const KEYS = { d: "destinations", c: "connections", f: "frames", s: "send", a: "faults" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open || !$("login").hidden) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  if (KEYS[event.key]) show(KEYS[event.key]);
  else if (event.key === "p" && view.name === "frames") $("frame-pause").click();
  else if (event.key === "n") newMessage();
  else if (event.key === "Escape" && view.name === "messages") view.sending ? choose(view.chosen) : show("destinations");
  else if (event.key === "/") (view.name === "frames" ? $("frame-text") : view.name === "messages" ? $("message-text") : (show("destinations"), $("match"))).focus();
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") { if (!moveBy(event.key === "ArrowDown" ? 1 : -1)) return; }
  else return;
  event.preventDefault();
});

for (const tab of document.querySelectorAll("nav button")) tab.addEventListener("click", () => show(tab.dataset.view));
for (const head of document.querySelectorAll("[data-sort]")) head.addEventListener("click", () => { Object.assign(list, { sort: head.dataset.sort, offset: 0 }); open(); });
for (const id of ["frame-destination", "frame-text", "frame-connection"]) on(id, "input", refilter);
on("match", "input", () => later("open", () => { list.offset = 0; open(); }, 250));
on("frame-commands", "change", refilter);
on("destinations-before", "click", () => { list.offset = Math.max(0, list.offset - DESTINATIONS); open(); });
on("destinations-after", "click", () => { list.offset += DESTINATIONS; open(); });
on("frame-pause", "click", () => {
  pausedFrames = !pausedFrames;
  $("frame-pause").setAttribute("aria-pressed", pausedFrames);
  $("frame-pause").textContent = pausedFrames ? "Continue" : "Pause";
  if (!pausedFrames) { showFrames(held); held = []; showMissed(); }
});
on("frame-clear", "click", () => { const last = lastFrame; clearFrames(); lastFrame = last; });
on("copy-url", "click", () => copy(state ? state.overview.urls[0] : "", $("copy-url")));
on("open-dead", "click", () => state && openMessages(state.overview.dead_letter_queue));
on("notice-close", "click", () => notice(""));
on("new-message", "click", newMessage);
on("send-here", "click", newMessage);
on("back", "click", () => show("destinations"));
on("message-text", "input", () => later("search", () => { view.offset = 0; view.chosen = null; attemptQuietly(loadMessages); }, 250));
on("order", "change", () => { view.offset = 0; view.chosen = null; attemptQuietly(loadMessages); });
on("before", "click", () => { view.offset = Math.max(0, view.offset - PAGE); view.chosen = null; attemptQuietly(loadMessages); });
on("after", "click", () => { view.offset += PAGE; view.chosen = null; attemptQuietly(loadMessages); });
on("pause", "click", () => pause(view.destination, !state.overview.faults.paused.includes(view.destination)));
on("purge", "click", async () => {
  if (!await ask(`Delete all waiting messages of ${view.destination}?`)) return;
  await attempt(() => api("DELETE", "/messages?" + new URLSearchParams({ destination: view.destination })));
  await attemptQuietly(loadMessages);
});
on("move-all", "click", async () => {
  const to = await ask(`Move all waiting messages of ${view.destination} to`, "/queue/");
  if (!to) return;
  await attempt(() => api("POST", "/messages/move", { destination: view.destination, to }));
  await attemptQuietly(loadMessages);
});
on("retry-all", "click", async () => {
  await attempt(() => api("POST", "/messages/retry", { destination: view.destination }));
  await attemptQuietly(loadMessages);
});
on("fault-logins", "click", () => attempt(() => api("PATCH", "/faults", { refuse_logins: !state.overview.faults.refuse_logins })));
on("fault-send", "submit", (event) => {
  event.preventDefault();
  attempt(() => api("PATCH", "/faults", { errors_on_send: Number($("fault-count").value), error_destination: $("fault-destination").value }));
});
on("fault-delay", "submit", (event) => {
  event.preventDefault();
  attempt(() => api("PATCH", "/faults", { delay: Number($("fault-seconds").value) }));
});
on("faults-off", "click", () => attempt(allFaultsOff));

const THEMES = ["auto", "light", "dark"];
function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $("theme").textContent = "◐ " + name;
  $("theme").dataset.name = name;
}
on("theme", "click", () => {
  const next = THEMES[(THEMES.indexOf($("theme").dataset.name) + 1) % THEMES.length];
  localStorage.setItem("stomp-theme", next);
  setTheme(next);
});

on("login", "submit", async (event) => {
  event.preventDefault();
  const done = await attempt(() => api("POST", "/login", { user: $("login-user").value, password: $("login-password").value }));
  $("login-password").value = "";
  if (!done) return;
  showLogin(null);
  open();
});
on("logout", "click", async () => {
  await attempt(() => api("POST", "/logout"));
  state = null;
  lastFrame = 0;
  $("send-place").append($("send"));
  for (const id of ["frames", "messages", "connections", "destinations", "user", "detail"]) $(id).replaceChildren();
  $("logout").hidden = true;
  show("destinations");
  showLogin("");
});

setTheme(THEMES.includes(localStorage.getItem("stomp-theme")) ? localStorage.getItem("stomp-theme") : "auto");
drawTemplates();
open();
