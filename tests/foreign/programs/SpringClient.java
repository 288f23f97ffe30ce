// Spring's WebSocketStompClient; see README.md. It has no transactions.
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.springframework.messaging.simp.stomp.StompClientSupport;
import org.springframework.messaging.simp.stomp.StompCommand;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.messaging.simp.stomp.StompSessionHandlerAdapter;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.web.socket.WebSocketHttpHeaders;
import org.springframework.web.socket.client.standard.StandardWebSocketClient;
import org.springframework.web.socket.messaging.WebSocketStompClient;

public class SpringClient {
    private static final int TIMEOUT = 20;

    private record Received(StompHeaders headers, byte[] body) {
        int number() { return Integer.parseInt(new String(body, StandardCharsets.UTF_8)); }
    }

    private static final BlockingQueue<Received> MESSAGES = new LinkedBlockingQueue<>();
    private static StompSession session;

    private static String env(String name) { return System.getenv("FOREIGN_" + name); }

    private static class Handler extends StompSessionHandlerAdapter {
        final CompletableFuture<StompHeaders> connected = new CompletableFuture<>();

        @Override public void afterConnected(StompSession session, StompHeaders headers) { connected.complete(headers); }

        @Override public Type getPayloadType(StompHeaders headers) { return byte[].class; }

        @Override public void handleFrame(StompHeaders headers, Object payload) { end("ERROR: " + headers); }

        @Override public void handleException(StompSession session, StompCommand command, StompHeaders headers,
                byte[] payload, Throwable exception) {
            end(exception);
        }

        @Override public void handleTransportError(StompSession session, Throwable exception) { end(exception); }
    }

    private static void end(Object trouble) {
        System.err.println(trouble);
        Runtime.getRuntime().halt(1);
    }

    private static StompHeaders headers(String... pairs) {
        StompHeaders headers = new StompHeaders();
        for (int index = 0; index < pairs.length; index += 2) headers.add(pairs[index], pairs[index + 1]);
        return headers;
    }

    private static StompSession.Subscription subscribe(String name, String ack) {
        return session.subscribe(headers("destination", "/queue/" + name, "ack", ack, "id", name), new StompFrameHandler() {
            @Override public Type getPayloadType(StompHeaders headers) { return byte[].class; }

            @Override public void handleFrame(StompHeaders headers, Object payload) {
                MESSAGES.add(new Received(headers, payload == null ? new byte[0] : (byte[]) payload));
            }
        });
    }

    private static void send(String name, String body) {
        session.send("/queue/" + name, body.getBytes(StandardCharsets.UTF_8));
    }

    private static Received receive() throws InterruptedException {
        Received received = MESSAGES.poll(TIMEOUT, TimeUnit.SECONDS);
        if (received == null) throw new IllegalStateException("no message");
        return received;
    }

    private static void acknowledge(Received received, boolean consumed) {
        // By name, the header `ack` of STOMP 1.2 is missing from StompHeaders.
        String id = received.headers().getFirst("ack");
        session.acknowledge(id == null ? received.headers().getMessageId() : id, consumed);
    }

    public static void main(String[] arguments) {
        try {
            run();
            System.out.flush();
            Runtime.getRuntime().halt(0);
        } catch (Exception trouble) {
            end(trouble);
        }
    }

    private static void run() throws Exception {
        int count = Integer.parseInt(env("COUNT"));
        long beat = Long.parseLong(env("HEARTBEAT"));
        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.initialize();
        WebSocketStompClient client = new WebSocketStompClient(new StandardWebSocketClient());
        client.setTaskScheduler(scheduler);
        client.setDefaultHeartbeat(new long[] {beat, beat});
        Handler handler = new Handler();
        StompHeaders login = headers("login", env("LOGIN"), "passcode", env("PASSCODE"), "host", env("VHOST"));
        session = client.connectAsync(env("WS"), new WebSocketHttpHeaders(), login, handler)
            .get(TIMEOUT, TimeUnit.SECONDS);

        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("library", StompClientSupport.class.getPackage().getImplementationVersion());
        seen.put("version", handler.connected.get(TIMEOUT, TimeUnit.SECONDS).getFirst("version"));
        seen.put("lacks", List.of("disconnect", "transaction"));

        int receipts = 0;
        for (String mode : List.of("auto", "client", "client-individual")) {
            for (int index = 0; index < count; index++) {
                CountDownLatch confirmed = new CountDownLatch(1);
                StompHeaders sent = headers("destination", "/queue/" + mode, "receipt", "r" + receipts);
                session.send(sent, Integer.toString(index).getBytes(StandardCharsets.UTF_8))
                    .addReceiptTask(confirmed::countDown);
                if (!confirmed.await(TIMEOUT, TimeUnit.SECONDS)) throw new IllegalStateException("no receipt");
                receipts++;
            }
            StompSession.Subscription subscription = subscribe(mode, mode);
            List<Integer> numbers = new ArrayList<>();
            for (int index = 0; index < count; index++) {
                Received received = receive();
                numbers.add(received.number());
                if (mode.equals("client-individual") || (mode.equals("client") && index == count - 1)) {
                    acknowledge(received, true);
                }
            }
            subscription.unsubscribe();
            seen.put(mode, numbers);
        }
        seen.put("receipts", receipts);

        StompSession.Subscription subscription = subscribe("nack", "client-individual");
        send("nack", "0");
        List<Object> refused = new ArrayList<>();
        for (int last = 0; last != 1; ) {
            Received received = receive();
            last = received.number();
            refused.add(List.of(last, "true".equals(received.headers().getFirst("redelivered"))));
            acknowledge(received, refused.size() > 1);
            if (refused.size() == 1) send("nack", "1");
        }
        subscription.unsubscribe();
        seen.put("nack", refused);

        subscribe("header", "auto");
        session.send(headers("destination", "/queue/header", "text", "C:\\new\nGrüße"), "0".getBytes(StandardCharsets.UTF_8));
        seen.put("header", receive().headers().getFirst("text"));

        subscribe("binary", "auto");
        byte[] body = new byte[256];
        for (int index = 0; index < 256; index++) body[index] = (byte) index;
        // With another type, it sends the frame as WebSocket text.
        session.send(headers("destination", "/queue/binary", "content-type", "application/octet-stream"), body);
        seen.put("binary", HexFormat.of().formatHex(receive().body()));

        subscribe("idle", "auto");
        Thread.sleep(Long.parseLong(env("IDLE")));
        send("idle", "0");
        seen.put("idle", List.of(receive().number()));

        // `disconnect` closes without waiting for a receipt.
        session.disconnect();
        System.out.println(new ObjectMapper().writeValueAsString(seen));
    }
}
