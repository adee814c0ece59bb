package tidemark.peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.flink.api.common.typeinfo.Types;

/**
 * Measures Flink, and prints one line of JSON. {@code bench/peers/flink.mjs} runs it; what the options mean is told there.
 *
 * <pre>
 * keys     sum of fingerprints of the first records
 * count    throughput of the keyed count in a window, and the counts that a savepoint after it holds
 * restore  time from submitting the job until each subtask has the state of a checkpoint
 * </pre>
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Options options = new Options(arguments, 1);
    switch (arguments[0]) {
      case "keys" -> print(keys(options));
      case "count" -> print(count(options));
      case "restore" -> print(restore(options));
      default -> throw new IllegalArgumentException("Commands are keys, count and restore, not " + arguments[0] + ".");
    }
    // Threads of the cluster may outlive it.
    System.exit(0);
  }

  private static String keys(Options options) {
    int sum = 0;
    long from = options.number("from");
    for (long i = 0; i < options.number("records"); i++) sum += Keys.fingerprint(Keys.keyAt(from + i, options.number("keys")));
    return json("{\"fingerprint\":%d}", sum & 0xffffffffL);
  }

  private static String count(Options options) throws Exception {
    long keys = options.number("keys");
    try (Cluster cluster = new Cluster(options)) {
      cluster.start(new Generator.Random(keys), Types.INT, null);
      // Of k keys, 1 - 1/e^2.3 = nine tenths have been met after 2.3 k records.
      while (Generator.total() < (long) (2.3 * keys)) pause(cluster);
      Thread.sleep(options.number("warm-up-ms"));

      long fromMs = System.currentTimeMillis();
      long started = System.nanoTime();
      long cpu = cpuNanos();
      long before = Generator.total();
      Thread.sleep(options.number("window-ms"));
      long records = Generator.total() - before;
      double elapsedMs = (System.nanoTime() - started) / 1e6;
      double cpuMs = (cpuNanos() - cpu) / 1e6;
      List<Cluster.CheckpointFigures> checkpoints = cluster.checkpointsSince(fromMs);
      cluster.mustNotHaveEnded();

      String savepoint = cluster.stopWithSavepoint();
      int parallelism = (int) options.number("parallelism");
      String made =
          IntStream.range(0, parallelism)
              .mapToObj(i -> json("{\"first\":%d,\"records\":%d}", Generator.firsts[i], Generator.made[i].get()))
              .collect(Collectors.joining(",", "[", "]"));
      Counts.Sums counts = cluster.countsIn(savepoint, new Generator.Random(keys), Types.INT);
      return json(
          "{\"records\":%d,\"elapsedMs\":%.3f,\"cpuMs\":%.3f,\"checkpoints\":%s,\"counted\":{\"records\":%d,\"fingerprint\":%d,\"entries\":%d},\"made\":%s}",
          records, elapsedMs, cpuMs, checkpointsJson(checkpoints), counts.records(), counts.fingerprint(), counts.entries(), made);
    }
  }

  private static String restore(Options options) throws Exception {
    long entries = options.number("keys");
    int parallelism = (int) options.number("parallelism");
    try (Cluster cluster = new Cluster(options)) {
      cluster.start(new Generator.Cycle(entries, parallelism), Types.LONG, null);
      while (Generator.least(parallelism) < entries / parallelism) pause(cluster);
      String path = cluster.checkpoint();
      cluster.cancel();
      StringBuilder times = new StringBuilder("[");
      for (int i = 0; i < options.number("runs"); i++) {
        KeyedCount.opened = new CountDownLatch(parallelism);
        long started = System.nanoTime();
        cluster.start(new Generator.Cycle(entries, parallelism), Types.LONG, path);
        KeyedCount.opened.await();
        times.append(i == 0 ? "" : ",").append(json("%.3f", (System.nanoTime() - started) / 1e6));
        cluster.cancel();
      }
      long found = cluster.countsIn(path, new Generator.Cycle(entries, parallelism), Types.LONG).entries();
      if (found != entries) throw new IllegalStateException(found + " entries were in the checkpoint, not " + entries + ".");
      return json("{\"durationMs\":%s]}", times);
    }
  }

  private static void pause(Cluster cluster) throws Exception {
    cluster.mustNotHaveEnded();
    Thread.sleep(5);
  }

  private static String checkpointsJson(List<Cluster.CheckpointFigures> checkpoints) {
    return checkpoints.stream()
        .map(c -> json("{\"syncMs\":%d,\"durableMs\":%d,\"newBytes\":%d}", c.syncMs(), c.durableMs(), c.newBytes()))
        .collect(Collectors.joining(",", "[", "]"));
  }

  /** Of this process, all its threads: the JVM's own, Flink's and RocksDB's. */
  private static long cpuNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  private static String json(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private static void print(String json) {
    System.out.println(json);
  }
}
