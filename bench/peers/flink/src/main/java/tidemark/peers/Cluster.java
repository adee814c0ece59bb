package tidemark.peers;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.NettyShuffleEnvironmentOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.AbstractCheckpointStats;
import org.apache.flink.runtime.checkpoint.CheckpointStatsStatus;
import org.apache.flink.runtime.checkpoint.SubtaskStateStats;
import org.apache.flink.runtime.checkpoint.TaskStateStats;
import org.apache.flink.runtime.executiongraph.ErrorInfo;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/** A mini cluster of one task manager in this JVM, and the keyed count that runs on it. */
final class Cluster implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final Configuration configuration;
  private final MiniCluster cluster;
  private final int parallelism;
  private JobID job;

  Cluster(Options options) throws Exception {
    parallelism = (int) options.number("parallelism");
    String directory = options.text("directory");
    configuration = new Configuration();
    configuration.set(StateBackendOptions.STATE_BACKEND, options.text("backend"));
    configuration.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
    configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    String scheme = options.flag("sync") ? "synced" : "file";
    configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, scheme + "://" + directory + "/checkpoints");
    configuration.set(CheckpointingOptions.SAVEPOINT_DIRECTORY, scheme + "://" + directory + "/savepoints");
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(options.number("interval-ms")));
    configuration.set(
        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
    configuration.set(PipelineOptions.OBJECT_REUSE, true);
    // A type that Kryo would have to serialize is an error, not a slow job.
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "disable");
    // RocksDB's block cache and write buffers come out of managed memory, in equal parts for the slots.
    configuration.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.parse(options.text("managed-memory")));
    configuration.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.parse("256m"));
    configuration.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.parse("256m"));
    configuration.setString("io.tmp.dirs", directory + "/tmp");
    configuration.setString("state.backend.rocksdb.use-bloom-filter", "true");
    cluster =
        new MiniCluster(
            new MiniClusterConfiguration.Builder()
                .setNumTaskManagers(1)
                .setNumSlotsPerTaskManager(parallelism)
                .setConfiguration(configuration)
                .withRandomPorts()
                .build());
    cluster.start();
  }

  /** @param from checkpoint or savepoint to begin with, or null */
  <K> void start(Generator<K> generator, TypeInformation<K> keyType, String from) throws Exception {
    Generator.reset();
    StreamExecutionEnvironment env = environment();
    keys(env, generator, keyType)
        .process(new KeyedCount<K>(), Types.VOID)
        .uid(KeyedCount.UID)
        .sinkTo(new DiscardingSink<>())
        .uid("discard");
    submit(env, from);
  }

  /** Starts a job from a checkpoint or savepoint of the count, reads the counts, and ends it. */
  <K extends Number> Counts.Sums countsIn(String path, Generator<K> generator, TypeInformation<K> keyType) throws Exception {
    Generator.reset();
    Counts.expect(parallelism);
    StreamExecutionEnvironment env = environment();
    keys(env, generator, keyType)
        .transform("sums of counts", Types.VOID, new Counts<K>())
        .uid(KeyedCount.UID)
        .sinkTo(new DiscardingSink<>())
        .uid("discard");
    submit(env, path);
    Counts.Sums sums = Counts.await();
    cancel();
    return sums;
  }

  private StreamExecutionEnvironment environment() {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    env.setParallelism(parallelism);
    env.setMaxParallelism(128);
    return env;
  }

  private static <K> KeyedStream<K, K> keys(
      StreamExecutionEnvironment env, Generator<K> generator, TypeInformation<K> keyType) {
    DataGeneratorSource<K> source = new DataGeneratorSource<>(generator, Generator.INDEXES, keyType);
    return env.fromSource(source, WatermarkStrategy.noWatermarks(), "keys").uid("keys").keyBy(key -> key, keyType);
  }

  private void submit(StreamExecutionEnvironment env, String from) throws Exception {
    JobGraph graph = env.getStreamGraph().getJobGraph();
    if (from != null) graph.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(from));
    job = graph.getJobID();
    cluster.submitJob(graph).get();
  }

  /** @return path of a new checkpoint */
  String checkpoint() throws Exception {
    return cluster.triggerCheckpoint(job).get();
  }

  /** Ends the job without draining it: what was made is counted in the savepoint, nothing is made after it. */
  String stopWithSavepoint() throws Exception {
    String path = cluster.stopWithSavepoint(job, null, false, SavepointFormatType.NATIVE).get();
    await(JobStatus.FINISHED);
    return path;
  }

  void cancel() throws Exception {
    cluster.cancelJob(job).get();
    await(JobStatus.CANCELED);
  }

  /** Throws with the reason when the job has failed. */
  void mustNotHaveEnded() throws Exception {
    JobStatus status = cluster.getJobStatus(job).get();
    if (!status.isTerminalState()) return;
    ErrorInfo failure = cluster.getExecutionGraph(job).get().getFailureInfo();
    throw new IllegalStateException("The job is " + status + ".", failure == null ? null : failure.getException());
  }

  private void await(JobStatus wanted) throws Exception {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (cluster.getJobStatus(job).get() != wanted) {
      if (System.nanoTime() > deadline) throw new IllegalStateException("The job is not " + wanted + ".");
      Thread.sleep(1);
    }
  }

  /** Of the completed checkpoints that were triggered at {@code fromMs} or later (milliseconds since 1970). */
  List<CheckpointFigures> checkpointsSince(long fromMs) throws Exception {
    List<CheckpointFigures> figures = new ArrayList<>();
    for (AbstractCheckpointStats stats :
        cluster.getExecutionGraph(job).get().getCheckpointStatsSnapshot().getHistory().getCheckpoints()) {
      if (stats.getStatus() != CheckpointStatsStatus.COMPLETED || stats.getTriggerTimestamp() < fromMs) continue;
      long longest = 0;
      for (TaskStateStats task : stats.getAllTaskStateStats())
        for (SubtaskStateStats subtask : task.getSubtaskStats())
          if (subtask != null) longest = Math.max(longest, subtask.getSyncCheckpointDuration());
      figures.add(new CheckpointFigures(longest, stats.getEndToEndDuration(), stats.getCheckpointedSize()));
    }
    return figures;
  }

  /** {@code syncMs}: the longest synchronous part of any subtask. */
  record CheckpointFigures(long syncMs, long durableMs, long newBytes) {}

  @Override
  public void close() throws Exception {
    cluster.close();
  }
}
