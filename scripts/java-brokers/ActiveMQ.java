import java.io.File;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.SslContext;
import org.apache.activemq.broker.region.policy.FixedCountSubscriptionRecoveryPolicy;
import org.apache.activemq.broker.region.policy.PolicyEntry;
import org.apache.activemq.broker.region.policy.PolicyMap;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;
import org.apache.activemq.store.kahadb.KahaDBPersistenceAdapter;

/**
 * ActiveMQ Classic with one user. A topic "retroactive.NAME" keeps three messages for retroactive consumers. Arguments: a name, the folder for data, that of the key stores and their password, the
 * URI of each connector.
 */
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
        FixedCountSubscriptionRecoveryPolicy kept = new FixedCountSubscriptionRecoveryPolicy();
        kept.setMaximumSize(3);
        PolicyEntry retroactive = new PolicyEntry();
        retroactive.setTopic("retroactive.>");
        retroactive.setSubscriptionRecoveryPolicy(kept);
        PolicyMap policies = new PolicyMap();
        policies.setPolicyEntries(List.of(retroactive));
        broker.setDestinationPolicy(policies);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store(args[2] + "/server.p12", args[3]), args[3].toCharArray());
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store(args[2] + "/trust.p12", args[3]));
        broker.setSslContext(new SslContext(keys.getKeyManagers(), trust.getTrustManagers(), null));
        for (int i = 4; i < args.length; i++) {
            broker.addConnector(args[i]);
        }
        broker.start();
        broker.waitUntilStopped();
    }

    private static KeyStore store(String file, String password) throws Exception {
        return KeyStore.getInstance(new File(file), password.toCharArray());
    }
}
