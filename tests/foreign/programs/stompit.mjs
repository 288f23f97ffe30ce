// stompit over TCP; see README.md. The argument is the folder with its node_modules.
import { createRequire } from 'node:module';
import { env, fail, Inbox, job } from './job.mjs';

const require = createRequire(`${process.argv[2]}/package.json`);
const stompit = require('stompit');
const library = require('stompit/package.json').version;

const inbox = new Inbox();
const beat = env('HEARTBEAT');

function adapterOf(client) {
  const send = (to, destination, body, headers, options) =>
    new Promise((resolve) => {
      const frame = to.send({ destination, 'content-length': body.length, ...headers }, options);
      frame.end(body, resolve);
    });
  return {
    subscribe: async (destination, ack) =>
      client.subscribe({ destination, ack }, (error, message) => {
        if (error) return fail(error);
        const parts = [];
        message.on('data', (part) => parts.push(part));
        message.on('end', () =>
          inbox.put({ body: Buffer.concat(parts), headers: message.headers, original: message }),
        );
      }),
    send: (destination, body, headers = {}, transaction = null) =>
      send(transaction || client, destination, body, headers),
    confirm: (destination, body) =>
      new Promise((resolve) => send(client, destination, body, {}, { onReceipt: resolve })),
    ack: async (message) => client.ack(message.original),
    nack: async (message) => client.nack(message.original),
    begin: async () => client.begin(),
    disconnect: () =>
      new Promise((resolve, reject) => {
        // It calls this with the receipt.
        client.disconnect((error) => (error ? reject(error) : resolve(true)));
      }),
  };
}

stompit.connect(
  {
    host: env('HOST'),
    port: Number(env('PORT')),
    connectHeaders: {
      host: env('VHOST'),
      login: env('LOGIN'),
      passcode: env('PASSCODE'),
      'heart-beat': `${beat},${beat}`,
    },
  },
  (error, client) => {
    if (error) return fail(error);
    client.on('error', fail);
    job(adapterOf(client), inbox, { library, version: null, lacks: [] }).catch(fail);
  },
);
