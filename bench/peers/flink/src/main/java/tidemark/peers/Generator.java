package tidemark.peers;

import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.connector.datagen.source.GeneratorFunction;

/** From a record's index to its key. Each subtask of the source has one. */
abstract class Generator<K> implements GeneratorFunction<Long, K> {
  /**
   * Indexes of a job "without end": each of the source's subtasks takes an equal, contiguous part of them, whichever it is given
   * first. All are below 2^53, where JavaScript's numbers are exact.
   */
  static final long INDEXES = 1L << 50;

  private static final int PUBLISHED_EVERY = 1024;

  /** Records made so far, by number of the subtask. Written by its thread, in plain words now and then. */
  static final AtomicLong[] made = new AtomicLong[64];

  /** First index of each subtask. Written by its thread before it ends. */
  static final long[] firsts = new long[made.length];

  private transient int subtask;
  private transient AtomicLong mine;
  private transient long first;
  private transient long count;

  static void reset() {
    for (int i = 0; i < made.length; i++) made[i] = new AtomicLong();
  }

  static long total() {
    long sum = 0;
    for (AtomicLong counter : made) sum += counter.get();
    return sum;
  }

  /** Of the subtasks the one that made the fewest records. */
  static long least(int subtasks) {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < subtasks; i++) least = Math.min(least, made[i].get());
    return least;
  }

  @Override
  public void open(SourceReaderContext context) {
    subtask = context.getIndexOfSubtask();
    mine = made[subtask];
  }

  @Override
  public final K map(Long index) {
    if (count == 0) first = index;
    if ((++count & (PUBLISHED_EVERY - 1)) == 0) mine.lazySet(count);
    return keyOf(index);
  }

  @Override
  public void close() {
    if (mine == null) return;
    firsts[subtask] = first;
    mine.set(count);
  }

  abstract K keyOf(long index);

  /** The keys of {@link Keys}. */
  static final class Random extends Generator<Integer> {
    private final long keys;

    Random(long keys) {
      this.keys = keys;
    }

    @Override
    Integer keyOf(long index) {
      return Keys.keyAt(index, keys);
    }
  }

  /** Every key in turn, each part of the indexes its own share of them: fills state of a known size. */
  static final class Cycle extends Generator<Long> {
    private final long indexesOfPart;
    private final long keysOfPart;

    /** @param keys a multiple of {@code parts}, the parallelism of the source */
    Cycle(long keys, int parts) {
      indexesOfPart = INDEXES / parts;
      keysOfPart = keys / parts;
    }

    @Override
    Long keyOf(long index) {
      return index / indexesOfPart * keysOfPart + index % indexesOfPart % keysOfPart;
    }
  }
}
