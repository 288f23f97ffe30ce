// The works of bench/work.py for clients of Node.js:   node driver.mjs CLIENT.mjs PACKAGES kind=receive port=...
// PACKAGES is the folder of the package.json that the kit has installed into.
//
// A client is a class with  static package, connect(), subscribe(destination, ack, callback), unsubscribe(),
// send(destination, body, headers), confirm(destination, body), acknowledge(handle), close();  a body is a Buffer or a string;
// the callback is called with
// (message-id, body, handle), and what may take time returns a promise.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [program, packages, ...words] = process.argv.slice(2);
const work = {
  host: "127.0.0.1", login: "guest", passcode: "guest", vhost: "/", seconds: "0.6", count: "0", size: "100",
  query: "", window: "1", destination: "/queue/bench", connections: "1", heartbeat: "0", form: "bytes",
};
for (const word of words) {
  const [name, ...rest] = word.split("=");
  work[name] = rest.join("=");
}
for (const name of ["port", "seconds", "count", "size", "window", "connections", "heartbeat"]) work[name] = Number(work[name]);

const SETTLE = 60; // as in bench/measuring.py
const ENOUGH = 0.6;
const STEP = 20;
const MOST = 256 * 1024 * 1024;

const clock = () => performance.now() / 1000;
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const cpu = (since) => { const used = process.cpuUsage(since); return (used.user + used.system) / 1e6; };
const memory = (name) => Number(fs.readFileSync("/proc/self/status", "utf8").split(`${name}:`)[1].trim().split(/\s+/)[0]) * 1024;

const TEXT = Buffer.from('{"order": 4711, "name": "Café au lait", "pieces": 12, "sum": 99.50, "paid": true}, ');
function bodyOf(size) {
  const body = Buffer.alloc(size, ".");
  for (let at = 0; at + TEXT.length <= size; at += TEXT.length) TEXT.copy(body, at);
  return body;
}

// The forms of bench/forms.py: headers by the number of a message, and a content type.
const FORMS = {
  bytes: {}, text: {},
  headers: { type: "text/plain", headers: () => ({ "order-id": "4711", customer: "Smith & Sons", region: "north" }) },
  json: { type: "application/json" },
  correlation: { headers: (number) => ({ "correlation-id": `request-${number}`, "reply-to": "/queue/answers" }) },
  options: { headers: () => ({ persistent: "true", priority: "7" }) },
};
const form = FORMS[work.form];
if (!form) {
  console.log(JSON.stringify({ unsupported: "it has no callback for frames that are sent" }));
  process.exit(0);
}

// A Buffer in the form "bytes", else a string.
function contentOf(size) {
  if (work.form === "json") return JSON.stringify({ order: 4711, paid: true, text: bodyOf(Math.max(0, size - 50)).toString() });
  return work.form === "bytes" ? bodyOf(size) : bodyOf(size).toString();
}

function headersOf(number) {
  const headers = form.headers ? form.headers(number) : {};
  if (form.type) headers["content-type"] = form.type;
  return headers;
}

class Meter {
  constructor() { this.memory = memory("VmRSS"); this.cpu = process.cpuUsage(); this.begin = clock(); }
  taken(count, durations) {
    const total = clock() - this.begin;
    return { count, durations: durations ?? [total], cpu: cpu(this.cpu) / count, peak: Math.max(0, memory("VmHWM") - this.memory) };
  }
}

function figures({ count, durations, cpu, peak, more = {} }) {
  const total = durations.reduce((sum, each) => sum + each, 0);
  const found = { count, ...more };
  if (durations.length) Object.assign(found, { rate: count / total, cpu, peak });
  if (durations.length > 1 || count === 1) {
    const ordered = [...durations].sort((a, b) => a - b);
    const quantile = (part) => ordered[Math.min(Math.max(Math.ceil(part * ordered.length), 1), ordered.length) - 1];
    Object.assign(found, { p50: quantile(0.5), p99: quantile(0.99) });
  }
  return found;
}

function fire(count, more = "") {
  return `/bench/fire?count=${count}&size=${work.size}${work.query && "&"}${work.query}${more}`;
}

// Subscribe, and wait for `count` messages; each but the last is acknowledged.
function messages(client, destination, count, ack = "auto") {
  return new Promise((done) => {
    let left = count;
    client.subscribe(destination, ack, (id, body, handle) => {
      if (id.length + body.length < 0) throw new Error("unreachable, but both lengths are read");
      if (--left === 0) done();
      else if (ack !== "auto") client.acknowledge(handle);
    });
  });
}

const RUNS = {
  async receive(client, count) {
    const meter = new Meter();
    await messages(client, fire(count), count);
    const taken = meter.taken(count);
    await client.unsubscribe();
    return taken;
  },
  async acknowledge(client, count) {
    const meter = new Meter();
    await messages(client, fire(count, "&acks=1"), count + 1, "client-individual");
    const taken = meter.taken(count);
    await client.unsubscribe();
    return taken;
  },
  async send(client, count) {
    const body = contentOf(work.size);
    const meter = new Meter();
    const counted = messages(client, `/bench/sink?count=${count}`, 1);
    for (let index = 0; index < count; index++) {
      const sent = client.send("/queue/bench", body, headersOf(index));
      if (sent) await sent;
    }
    await counted;
    const taken = meter.taken(count);
    await client.unsubscribe();
    return taken;
  },
  async confirm(client, count) {
    const body = contentOf(work.size);
    const durations = [];
    const meter = new Meter();
    if (work.window > 1) {
      for (let sent = 0; sent < count; sent += work.window) {
        const batch = Math.min(work.window, count - sent);
        await Promise.all(Array.from({ length: batch }, () => client.confirm(work.destination, body)));
      }
      return meter.taken(count);
    }
    for (let index = 0; index < count; index++) {
      const begin = clock();
      await client.confirm(work.destination, body);
      durations.push(clock() - begin);
    }
    return meter.taken(count, durations);
  },
  async pair(client, count) {
    const body = bodyOf(work.size);
    const durations = [];
    const meter = new Meter();
    for (let index = 0; index < count; index++) {
      const begin = clock();
      client.send("/queue/bench", body);
      await client.confirm("/queue/bench", body);
      durations.push(clock() - begin);
    }
    return meter.taken(count, durations);
  },
  async roundtrip(client, count) {
    const body = bodyOf(work.size);
    const durations = [];
    let back;
    client.subscribe("/bench/echo", "auto", (id, message) => back(id.length + message.length));
    await sleep(SETTLE);
    const meter = new Meter();
    for (let index = 0; index < count; index++) {
      const answer = new Promise((done) => { back = done; });
      const begin = clock();
      client.send("/bench/echo", body);
      await answer;
      durations.push(clock() - begin);
    }
    const taken = meter.taken(count, durations);
    await client.unsubscribe();
    return taken;
  },
  async connect(client, count) {
    const durations = [];
    const meter = new Meter();
    for (let index = 0; index < count; index++) {
      const begin = clock();
      const other = await open();
      await other.close();
      durations.push(clock() - begin);
    }
    return meter.taken(count, durations);
  },
};

async function produce(client) {
  const body = bodyOf(work.size);
  const meter = new Meter();
  for (let index = 0; index < work.count - 1; index++) {
    const sent = client.send(work.destination, body);
    if (sent) await sent;
    else if (index % 200 === 199) await new Promise(setImmediate); // or nothing leaves before all is buffered
  }
  await client.confirm(work.destination, body);
  return meter.taken(work.count);
}

async function consume(client) {
  let left = work.count;
  let begin, used;
  await new Promise((done) => {
    client.subscribe(work.destination, "auto", (id, body) => {
      if (left === work.count) { begin = clock(); used = process.cpuUsage(); }
      if (--left === 0 && id.length + body.length) done();
    });
    console.log("READY");
  });
  return { count: work.count - 1, durations: [clock() - begin], cpu: cpu(used) / (work.count - 1), peak: 0 };
}

async function stall(client) {
  const body = bodyOf(work.size);
  let sent = 0;
  client.subscribe("/bench/stall", "auto", () => {});
  await sleep(SETTLE);
  const meter = new Meter();
  const fill = async () => {
    while (sent < MOST) {
      await client.send("/queue/bench", body);
      sent += work.size;
      if (sent % (100 * work.size) === 0) await new Promise(setImmediate);
    }
  };
  await Promise.race([fill(), sleep(work.seconds * 1000)]);
  return { ...meter.taken(1), more: { accepted: sent } };
}

async function idle() {
  const before = memory("VmRSS");
  const clients = [];
  for (let index = 0; index < work.connections; index++) clients.push(await open());
  const each = (memory("VmRSS") - before) / work.connections;
  const used = process.cpuUsage();
  const begin = clock();
  await sleep(work.seconds * 1000);
  const share = cpu(used) / (clock() - begin);
  return { count: clients.length, durations: [], more: { memory: each, threads: 0, share } };
}

const { Client } = await import(pathToFileURL(path.resolve(program)).href);
const load = createRequire(path.resolve(packages, "package.json"));

async function open() {
  const client = new Client(work, load);
  await client.connect();
  return client;
}

async function take() {
  if (work.kind === "idle") return idle();
  const client = await open();
  const run = RUNS[work.kind];
  if (!run) return { produce, consume, stall }[work.kind](client);
  let taken = await run(client, work.count || Math.max(1, Math.min(10, Math.floor(2 ** 25 / (work.size + 1)))));
  while (!work.count) {
    const total = taken.durations.reduce((sum, each) => sum + each, 0);
    if (total >= ENOUGH * work.seconds) break;
    await sleep(SETTLE);
    taken = await run(client, Math.max(taken.count + 1, Math.floor(taken.count * Math.min(STEP, work.seconds / total))));
  }
  return taken;
}

const manifest = path.resolve(packages, "node_modules", Client.package, "package.json");
const { version } = JSON.parse(fs.readFileSync(manifest, "utf8"));
console.log(JSON.stringify({ version, ...figures(await take()) }));
process.exit(0);
