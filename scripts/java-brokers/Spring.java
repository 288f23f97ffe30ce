import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.messaging.handler.annotation.MessageMapping;
import org.springframework.messaging.handler.annotation.SendTo;
import org.springframework.messaging.simp.annotation.SubscribeMapping;
import org.springframework.messaging.simp.config.MessageBrokerRegistry;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.stereotype.Controller;
import org.springframework.web.socket.config.annotation.EnableWebSocketMessageBroker;
import org.springframework.web.socket.config.annotation.StompEndpointRegistry;
import org.springframework.web.socket.config.annotation.WebSocketMessageBrokerConfigurer;

/**
 * An application with Spring's simple broker, as its documentation shows them. Arguments: Spring Boot's, such as
 * --server.port=8080. Endpoints: /ws (WebSocket), /stomp (SockJS, so that /stomp/websocket is a WebSocket, too).
 */
@SpringBootConfiguration
@EnableAutoConfiguration
@Import({Spring.Messages.class, Spring.Greetings.class}) // a class without a package cannot be scanned
public class Spring {
    public static void main(String[] args) {
        SpringApplication.run(Spring.class, args);
    }

    @Configuration
    @EnableWebSocketMessageBroker
    public static class Messages implements WebSocketMessageBrokerConfigurer {
        @Override
        public void registerStompEndpoints(StompEndpointRegistry registry) {
            registry.addEndpoint("/ws");
            registry.addEndpoint("/stomp").withSockJS();
        }

        @Override
        public void configureMessageBroker(MessageBrokerRegistry registry) {
            ThreadPoolTaskScheduler beats = new ThreadPoolTaskScheduler();
            beats.initialize();
            registry.enableSimpleBroker("/topic", "/queue").setHeartbeatValue(new long[] {10000, 10000})
                .setTaskScheduler(beats);
            registry.setApplicationDestinationPrefixes("/app");
        }
    }

    @Controller
    public static class Greetings {
        /** SEND to /app/hello with {"name": ...}: the answer goes to /topic/greetings. */
        @MessageMapping("/hello")
        @SendTo("/topic/greetings")
        public Map<String, String> greet(Map<String, String> message) {
            return Map.of("content", "Hello, " + message.get("name") + "!");
        }

        /** SUBSCRIBE to /app/status: the answer is one MESSAGE, for this subscription only. */
        @SubscribeMapping("/status")
        public Map<String, String> status() {
            return Map.of("status", "running");
        }
    }
}
