// webstomp-client over WebSocket; see README.md. The argument is the folder with its node_modules.
import { createRequire } from 'node:module';
import { env, fail, Inbox, job } from './job.mjs';

const require = createRequire(`${process.argv[2]}/package.json`);
const webstomp = require('webstomp-client');
const WebSocket = require('ws');
const library = require('webstomp-client/package.json').version;

const inbox = new Inbox();
const receipts = new Map();
const heartbeat = { outgoing: Number(env('HEARTBEAT')), incoming: Number(env('HEARTBEAT')) };
const client = webstomp.over(new WebSocket(env('WS'), ['v12.stomp', 'v11.stomp', 'v10.stomp']), {
  debug: false,
  heartbeat,
});
client.onreceipt = (frame) => receipts.get(frame.headers['receipt-id'])();
const put = (message) =>
  inbox.put({ body: Buffer.from(message.body), headers: message.headers, original: message });

const adapter = {
  subscribe: async (destination, ack) => client.subscribe(destination, put, { ack }),
  send: async (destination, body, headers = {}, transaction = null) => {
    if (transaction) headers.transaction = transaction.id;
    client.send(destination, body, headers);
  },
  confirm: (destination, body) =>
    new Promise((resolve) => {
      const receipt = `receipt-${receipts.size}`;
      receipts.set(receipt, resolve);
      client.send(destination, body, { receipt });
    }),
  ack: async (message) => message.original.ack(),
  nack: async (message) => message.original.nack(),
  begin: async () => client.begin(),
};

client.connect(
  { login: env('LOGIN'), passcode: env('PASSCODE'), host: env('VHOST') },
  // It has no bodies of bytes, closes without waiting for the receipt of DISCONNECT, and writes no escape sequences.
  () =>
    job(adapter, inbox, { library, version: client.version, lacks: ['binary', 'disconnect'] }, 'C:\\new').catch(fail),
  (error) => fail(error.headers || `closed with ${error.code}`),
);
