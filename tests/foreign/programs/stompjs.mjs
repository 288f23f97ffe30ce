// @stomp/stompjs over WebSocket; see README.md. The argument is the folder with its node_modules.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { env, fail, Inbox, job } from './job.mjs';

const require = createRequire(`${process.argv[2]}/package.json`);
const { Client } = require('@stomp/stompjs');
const WebSocket = require('ws');
const folder = `${process.argv[2]}/node_modules/@stomp/stompjs`;
const library = JSON.parse(readFileSync(`${folder}/package.json`)).version;

const inbox = new Inbox();
let receipts = 0;
const client = new Client({
  webSocketFactory: () => new WebSocket(env('WS'), ['v12.stomp', 'v11.stomp', 'v10.stomp']),
  connectHeaders: { login: env('LOGIN'), passcode: env('PASSCODE'), host: env('VHOST') },
  heartbeatIncoming: Number(env('HEARTBEAT')),
  heartbeatOutgoing: Number(env('HEARTBEAT')),
  reconnectDelay: 0,
  onStompError: (frame) => fail(frame.headers),
  onWebSocketError: fail,
});

const put = (message) =>
  inbox.put({ body: Buffer.from(message.binaryBody), headers: message.headers, original: message });

const adapter = {
  subscribe: async (destination, ack) => client.subscribe(destination, put, { ack }),
  send: async (destination, body, headers = {}, transaction = null) => {
    if (transaction) headers.transaction = transaction.id;
    client.publish({ destination, headers, ...(typeof body === 'string' ? { body } : { binaryBody: body }) });
  },
  confirm: (destination, body) =>
    new Promise((resolve) => {
      const receipt = `receipt-${++receipts}`;
      client.watchForReceipt(receipt, resolve);
      client.publish({ destination, body, headers: { receipt } });
    }),
  ack: async (message) => message.original.ack(),
  nack: async (message) => message.original.nack(),
  begin: async () => client.begin(),
  disconnect: () =>
    new Promise((resolve) => {
      client.onDisconnect = () => resolve(true); // called with the receipt
      client.deactivate();
    }),
};

client.onConnect = () =>
  job(adapter, inbox, { library, version: client.connectedVersion, lacks: [] }).catch(fail);
client.activate();
