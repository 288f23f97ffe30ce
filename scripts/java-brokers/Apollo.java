import java.io.File;
import java.io.FileInputStream;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.activemq.apollo.broker.Broker;
import org.apache.activemq.apollo.dto.BrokerDTO;
import org.apache.activemq.apollo.dto.XmlCodec;

/** Apache Apollo. Arguments: apollo.xml, a folder for temporary files. */
public class Apollo {
    public static void main(String[] args) throws Exception {
        Broker broker = new Broker();
        broker.setTmp(new File(args[1]));
        try (FileInputStream in = new FileInputStream(args[0])) {
            broker.setConfig(XmlCodec.decode(BrokerDTO.class, in, new Properties()));
        }
        CountDownLatch up = new CountDownLatch(1);
        broker.start(up::countDown);
        up.await();
        UntilStopped.wait(() -> {
            CountDownLatch down = new CountDownLatch(1);
            broker.stop(down::countDown);
            down.await();
        });
    }
}
