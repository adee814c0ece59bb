package tidemark.peers;

import java.util.concurrent.CountDownLatch;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Counts the records of each key. Emits nothing, as the job that it is compared with. */
final class KeyedCount<K> extends KeyedProcessFunction<K, K, Void> {
  static final String UID = "counts";
  static final ValueStateDescriptor<Long> COUNT = new ValueStateDescriptor<>("count", Types.LONG);

  /** Subtasks that have their state; they run in this JVM. Set before a job that is to be restored starts. */
  static volatile CountDownLatch opened = new CountDownLatch(0);

  private transient ValueState<Long> count;

  @Override
  public void open(OpenContext context) {
    // Flink opens a function after the state of its subtask was restored.
    count = getRuntimeContext().getState(COUNT);
    opened.countDown();
  }

  @Override
  public void processElement(K key, Context context, Collector<Void> out) throws Exception {
    Long n = count.value();
    count.update(n == null ? 1L : n + 1L);
  }
}
