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

/** HornetQ with one user. Arguments: the folder for data, the address, the port. */
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
        Map<String, Object> acceptor = new HashMap<>();
        acceptor.put("protocols", "STOMP");
        acceptor.put("host", args[1]);
        acceptor.put("port", Integer.valueOf(args[2]));
        String factory = NettyAcceptorFactory.class.getName();
        config.getAcceptorConfigurations().add(new TransportConfiguration(factory, acceptor, "stomp"));
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
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                broker.stop();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        broker.start();
        HornetQServer server = broker.getHornetQServer();
        makeQueue(server, "/queue/DLQ");
        makeQueue(server, "/queue/ExpiryQueue");
        for (int i = 0; i < POOL; i++) {
            makeQueue(server, "/queue/pool-" + i);
        }
        Thread.currentThread().join();
    }

    private static void makeQueue(HornetQServer server, String name) throws Exception {
        SimpleString queue = new SimpleString(name);
        if (server.locateQueue(queue) == null) {
            server.createQueue(queue, queue, null, true, false);
        }
    }
}
