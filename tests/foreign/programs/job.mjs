// The job of README.md for clients of Node.js, over these functions of a client:
//   subscribe(destination, ack) -> subscription with unsubscribe(); send(destination, body, headers, transaction);
//   confirm(destination, body): a send that waits for its receipt; ack(message); nack(message);
//   begin() -> transaction with commit() and abort(); disconnect() -> true after its receipt.
// The client puts messages into the inbox: {body: Buffer, headers, original}.
export const env = (name) => process.env[`FOREIGN_${name}`];
export const TEXT = 'C:\\new\nGrüße';
const TIMEOUT = 20000;

export class Inbox {
  constructor() {
    this.messages = [];
    this.waiting = [];
  }
  put(message) {
    const next = this.waiting.shift();
    if (next) next(message);
    else this.messages.push(message);
  }
  receive() {
    if (this.messages.length) return Promise.resolve(this.messages.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), 'a message');
  }
}

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${TIMEOUT} ms`)), TIMEOUT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function job(client, inbox, seen, text = TEXT) {
  const count = Number(env('COUNT'));
  const lacks = new Set(seen.lacks);
  const number = (message) => Number(message.body.toString());

  seen.receipts = 0;
  for (const mode of ['auto', 'client', 'client-individual']) {
    const destination = `/queue/${mode}`;
    for (let index = 0; index < count; index++) {
      await within(client.confirm(destination, String(index)), 'a receipt');
      seen.receipts++;
    }
    const subscription = await client.subscribe(destination, mode);
    seen[mode] = [];
    for (let index = 0; index < count; index++) {
      const message = await inbox.receive();
      seen[mode].push(number(message));
      if (mode === 'client-individual' || (mode === 'client' && index === count - 1)) await client.ack(message);
    }
    await subscription.unsubscribe();
  }

  const refused = await client.subscribe('/queue/nack', 'client-individual');
  await client.send('/queue/nack', '0');
  seen.nack = [];
  for (let last = 0; last !== 1; ) {
    const message = await inbox.receive();
    last = number(message);
    seen.nack.push([last, message.headers.redelivered === 'true']);
    if (seen.nack.length === 1) {
      await client.nack(message);
      await client.send('/queue/nack', '1');
    } else {
      await client.ack(message);
    }
  }
  await refused.unsubscribe();

  await client.subscribe('/queue/transaction', 'auto');
  const aborted = await client.begin();
  await client.send('/queue/transaction', '0', {}, aborted);
  await aborted.abort();
  const committed = await client.begin();
  await client.send('/queue/transaction', '1', {}, committed);
  await client.send('/queue/transaction', '2', {}, committed);
  await committed.commit();
  await client.send('/queue/transaction', '3');
  seen.transaction = [];
  while (seen.transaction.at(-1) !== 3) seen.transaction.push(number(await inbox.receive()));

  await client.subscribe('/queue/header', 'auto');
  await client.send('/queue/header', '0', { text });
  seen.header = (await inbox.receive()).headers.text;
  if (!lacks.has('binary')) {
    await client.subscribe('/queue/binary', 'auto');
    await client.send('/queue/binary', Buffer.from(Array.from({ length: 256 }, (_, each) => each)));
    seen.binary = (await inbox.receive()).body.toString('hex');
  }

  await client.subscribe('/queue/idle', 'auto');
  await new Promise((resolve) => setTimeout(resolve, Number(env('IDLE'))));
  await client.send('/queue/idle', '0');
  seen.idle = [number(await inbox.receive())];

  if (!lacks.has('disconnect')) seen.disconnect = await within(client.disconnect(), 'the receipt of DISCONNECT');
  process.stdout.write(JSON.stringify(seen) + '\n', () => process.exit(0));
}

export function fail(error) {
  process.stderr.write(`${error && error.stack ? error.stack : JSON.stringify(error)}\n`, () => process.exit(1));
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
