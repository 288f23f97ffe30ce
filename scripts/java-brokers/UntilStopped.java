/** What the launchers share: a broker runs until its process gets SIGTERM, and is stopped then. */
final class UntilStopped {
    /** Stops a broker, and waits until it has stopped. */
    interface Stop {
        void run() throws Exception;
    }

    private UntilStopped() {
    }

    static void wait(Stop stop) throws InterruptedException {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                stop.run();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        Thread.currentThread().join();
    }
}
