import java.io.File;
import java.util.List;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;
import org.apache.activemq.store.kahadb.KahaDBPersistenceAdapter;

/** ActiveMQ Classic with one user. Arguments: a name, the folder for data, the URI of each connector. */
public class ActiveMQ {
    public static void main(String[] args) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setBrokerName(args[0]);
        broker.setDataDirectory(args[1]);
        broker.setUseJmx(false);
        broker.setSchedulerSupport(true);
        KahaDBPersistenceAdapter store = new KahaDBPersistenceAdapter();
        store.setDirectory(new File(args[1], "kahadb"));
        broker.setPersistenceAdapter(store);
        broker.getSystemUsage().getMemoryUsage().setLimit(128L << 20);
        broker.getSystemUsage().getStoreUsage().setLimit(2L << 30);
        broker.getSystemUsage().getTempUsage().setLimit(1L << 30);
        AuthenticationUser admin = new AuthenticationUser("admin", "password", "users,admins");
        SimpleAuthenticationPlugin users = new SimpleAuthenticationPlugin(List.of(admin));
        users.setAnonymousAccessAllowed(false);
        broker.setPlugins(new BrokerPlugin[] {users});
        for (int i = 2; i < args.length; i++) {
            broker.addConnector(args[i]);
        }
        broker.start();
        broker.waitUntilStopped();
    }
}
