import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.hornetq.api.core.SimpleString;
import org.hornetq.api.core.TransportConfiguration;
import org.hornetq.core.config.impl.ConfigurationImpl;
import org.hornetq.core.remoting.impl.netty.NettyAcceptorFactory;
import org.hornetq.core.security.Role;
import org.hornetq.core.server.HornetQServer;
import org.hornetq.core.server.JournalType;
import org.hornetq.core.server.embedded.EmbeddedHornetQ;
import org.hornetq.core.settings.impl.AddressSettings;
import org.hornetq.spi.core.security.HornetQSecurityManagerImpl;

/**
 * HornetQ with one user. Arguments: the folder for data, that of the key stores and their password, the address, the
 * ports for plain text, TLS, and TLS with a client certificate.
 */
public class HornetQ {
    /** It makes no queues on demand, so that there is a pool of them: /queue/pool-0, /queue/pool-1 ... */
    private static final int POOL = 4000;

    public static void main(String[] args) throws Exception {
        ConfigurationImpl config = new ConfigurationImpl();
        config.setPersistenceEnabled(true);
        config.setJournalType(JournalType.NIO);
        config.setJournalDirectory(args[0] + "/journal");
        config.setBindingsDirectory(args[0] + "/bindings");
        config.setLargeMessagesDirectory(args[0] + "/large");
        config.setPagingDirectory(args[0] + "/paging");
        Map<String, Object> tls = Map.of("ssl-enabled", true,
            "key-store-path", args[1] + "/server.p12", "key-store-password", args[2]);
        Map<String, Object> certified = new HashMap<>(tls);
        certified.putAll(Map.of("need-client-auth", true,
            "trust-store-path", args[1] + "/trust.p12", "trust-store-password", args[2]));
        listen(config, args[3], args[4], Map.of());
        listen(config, args[3], args[5], tls);
        listen(config, args[3], args[6], certified);
        HornetQSecurityManagerImpl users = new HornetQSecurityManagerImpl();
        users.addUser("admin", "password");
        users.addRole("admin", "amq");
        config.getSecurityRoles().put("#", Set.of(new Role("amq", true, true, true, true, true, true, true)));
        AddressSettings settings = new AddressSettings();
        settings.setDeadLetterAddress(new SimpleString("/queue/DLQ"));
        settings.setExpiryAddress(new SimpleString("/queue/ExpiryQueue"));
        config.getAddressesSettings().put("#", settings);
        EmbeddedHornetQ broker = new EmbeddedHornetQ();
        broker.setConfiguration(config);
        broker.setSecurityManager(users);
        broker.start();
        HornetQServer server = broker.getHornetQServer();
        makeQueue(server, "/queue/DLQ");
        makeQueue(server, "/queue/ExpiryQueue");
        for (int i = 0; i < POOL; i++) {
            makeQueue(server, "/queue/pool-" + i);
        }
        UntilStopped.wait(broker::stop);
    }

    private static void listen(ConfigurationImpl config, String address, String port, Map<String, Object> security) {
        Map<String, Object> acceptor = new HashMap<>(security);
        acceptor.put("protocols", "STOMP");
        acceptor.put("host", address);
        acceptor.put("port", Integer.valueOf(port));
        String factory = NettyAcceptorFactory.class.getName();
        config.getAcceptorConfigurations().add(new TransportConfiguration(factory, acceptor, port));
    }

    private static void makeQueue(HornetQServer server, String name) throws Exception {
        SimpleString queue = new SimpleString(name);
        if (server.locateQueue(queue) == null) {
            server.createQueue(queue, queue, null, true, false);
        }
    }
}
