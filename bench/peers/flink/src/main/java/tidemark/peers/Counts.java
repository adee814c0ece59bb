package tidemark.peers;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Stands in for {@link KeyedCount} in a job that is started from its savepoint, and adds up what is in the state: how many records
 * were counted, and their sum of fingerprints as in {@code bench/peers/keys.mjs}. A user function cannot iterate over the keys of
 * a state, an operator can.
 */
final class Counts<K extends Number> extends AbstractStreamOperator<Void> implements OneInputStreamOperator<K, Void> {
  private static final LongAdder records = new LongAdder();
  private static final LongAdder fingerprints = new LongAdder();
  private static final LongAdder entries = new LongAdder();

  /** Subtasks that have not added theirs. */
  private static volatile CountDownLatch left = new CountDownLatch(0);

  record Sums(long records, long fingerprint, long entries) {}

  static void expect(int subtasks) {
    records.reset();
    fingerprints.reset();
    entries.reset();
    left = new CountDownLatch(subtasks);
  }

  static Sums await() throws InterruptedException {
    left.await();
    return new Sums(records.sum(), fingerprints.sum() & 0xffffffffL, entries.sum());
  }

  @Override
  public void open() throws Exception {
    super.open();
    getKeyedStateBackend()
        .applyToAllKeys(
            VoidNamespace.INSTANCE,
            VoidNamespaceSerializer.INSTANCE,
            KeyedCount.COUNT,
            (key, state) -> {
              long count = state.value();
              records.add(count);
              fingerprints.add(Keys.fingerprint(((Number) key).longValue()) * count);
              entries.increment();
            });
    left.countDown();
  }

  @Override
  public void processElement(StreamRecord<K> key) {
    // Of no interest: what was in the savepoint has been read.
  }
}
