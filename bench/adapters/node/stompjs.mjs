// stompjs, over TCP by its own wrapper.

const content = (body) => (typeof body === "string" ? { body } : { binaryBody: body });

export class Client {
  static package = "@stomp/stompjs";

  constructor(work, load) {
    const { Client: Stomp } = load("@stomp/stompjs");
    const { TCPWrapper } = load("@stomp/tcp-wrapper");
    this.receipts = 0;
    this.client = new Stomp({
      webSocketFactory: () => new TCPWrapper(work.host, work.port),
      connectHeaders: { login: work.login, passcode: work.passcode, host: work.vhost },
      heartbeatIncoming: work.heartbeat,
      heartbeatOutgoing: work.heartbeat,
      reconnectDelay: 0,
      forceBinaryWSFrames: true,
    });
  }

  connect() {
    return new Promise((done, failed) => {
      this.client.onConnect = () => done();
      this.client.onStompError = (frame) => failed(new Error(frame.headers.message));
      this.client.activate();
    });
  }

  subscribe(destination, ack, callback) {
    const take = (message) => callback(message.headers["message-id"], message.body, message);
    this.subscription = this.client.subscribe(destination, take, { id: "1", ack });
  }

  unsubscribe() { this.subscription.unsubscribe(); }

  send(destination, body, headers = {}) { this.client.publish({ destination, headers, ...content(body) }); }

  confirm(destination, body) {
    const receipt = `receipt-${this.receipts++}`;
    return new Promise((done) => {
      this.client.watchForReceipt(receipt, () => done());
      this.client.publish({ destination, headers: { receipt }, ...content(body) });
    });
  }

  acknowledge(message) { message.ack(); }

  close() { return this.client.deactivate(); }
}
