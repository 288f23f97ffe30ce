import org.apache.activemq.artemis.core.config.impl.SecurityConfiguration;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.spi.core.security.ActiveMQJAASSecurityManager;
import org.apache.activemq.artemis.spi.core.security.jaas.InVMLoginModule;

/** Apache Artemis with one user. Argument: the URL of broker.xml. */
public class Artemis {
    public static void main(String[] args) throws Exception {
        SecurityConfiguration users = new SecurityConfiguration();
        users.addUser("admin", "password");
        users.addRole("admin", "amq");
        EmbeddedActiveMQ broker = new EmbeddedActiveMQ();
        broker.setConfigResourcePath(args[0]);
        broker.setSecurityManager(new ActiveMQJAASSecurityManager(InVMLoginModule.class.getName(), users));
        broker.start();
        UntilStopped.wait(broker::stop);
    }
}
