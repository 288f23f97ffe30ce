// stompit: frames are streams.

export class Client {
  static package = "stompit";

  constructor(work, load) {
    this.stompit = load("stompit");
    this.options = {
      host: work.host,
      port: work.port,
      connectHeaders: {
        host: work.vhost, login: work.login, passcode: work.passcode, "heart-beat": `${work.heartbeat},${work.heartbeat}`,
      },
    };
  }

  connect() {
    return new Promise((done, failed) => {
      this.stompit.connect(this.options, (error, client) => {
        if (error) return failed(error);
        this.client = client;
        client.on("error", () => {});
        return done();
      });
    });
  }

  subscribe(destination, ack, callback) {
    this.subscription = this.client.subscribe({ destination, ack, id: "1" }, (error, message) => {
      if (error) return;
      message.readString("utf-8", (failed, body) => {
        if (failed) throw failed;
        callback(message.headers["message-id"], body, message);
      });
    });
  }

  unsubscribe() { this.subscription.unsubscribe(); }

  // Done when the frame has left, which is how its user knows that more may come.
  send(destination, body, headers = {}) {
    return new Promise((done) => {
      const frame = this.client.send({ destination, "content-length": Buffer.byteLength(body), ...headers });
      frame.write(body);
      frame.end(done);
    });
  }

  confirm(destination, body) {
    return new Promise((done) => {
      const frame = this.client.send({ destination, "content-length": Buffer.byteLength(body) }, { onReceipt: () => done() });
      frame.write(body);
      frame.end();
    });
  }

  acknowledge(message) { this.client.ack(message); }

  close() {
    return new Promise((done) => {
      this.client.disconnect(() => done());
      setTimeout(done, 500);
    });
  }
}
