/**
 * Records that are due at fixed times, counted by key, and timed at the sink. Arguments: records per second (`Infinity`: as many as
 * can be, without end), seconds, number of keys, milliseconds whose records are not timed, directory for the histograms.
 *
 * The time of a record runs from when it was due, whenever the source got to emit it: a source that was held up must not make the
 * records that came late look fast ("coordinated omission", Gil Tene).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { job, t, value } from 'tidemark';
import { LatencyHistogram } from '../lib/histogram.mjs';

const Timed = t.record({ key: t.i32, dueMs: t.f64 });

/** What a source asks for while nothing is due. A timer of Node is not finer. */
const WAIT_MS = 1;

/** In place of a time: all records of the subtask have passed. */
const END = -1;

/** The machine's monotonic clock, which is the same in all threads; `performance.now()` begins anew in each. */
const CLOCK_OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const nowMs = () => CLOCK_OFFSET_MS + performance.now();

export default job('latency', (flow, [ratePerSecond, seconds, keys, warmUpMs, directory]) => {
  flow
    .from(timetable(Number(ratePerSecond), Number(seconds), Number(keys)))
    .keyBy('key')
    .process(
      {
        state: { count: value(t.f64, 0) },
        onRecord({ key, dueMs }, { state, emit }) {
          state.count.update((n) => n + 1);
          emit({ key, dueMs });
        },
        onEnd({ key, emit }) {
          emit({ key, dueMs: END });
        },
      },
      { schema: Timed, objectReuse: true },
    )
    .uid('counts')
    .to(stopwatch(Number(warmUpMs), directory));
});

/** One split for each subtask; record i of split s of n is due at (i * n + s) / rate after the split was opened. */
function timetable(ratePerSecond, seconds, keys) {
  return {
    name: 'timetable',
    bounded: true,
    schema: Timed.schema,
    splits: ({ parallelism }) => Array.from({ length: parallelism }, (_, s) => ({ id: String(s), data: { s, parallelism } })),
    open({ data: { s, parallelism } }, position) {
      const msPerRecord = (1000 * parallelism) / ratePerSecond;
      const count = Math.floor((ratePerSecond * seconds) / parallelism);
      const startMs = nowMs() + (1000 * s) / ratePerSecond;
      let next = position ?? 0;
      let random = s + 1;
      return {
        read(limit, out) {
          const now = nowMs();
          const due = msPerRecord === 0 ? Infinity : Math.floor((now - startMs) / msPerRecord) + 1;
          const end = Math.min(next + limit, due, count);
          for (; next < end && !out.full; next++) {
            random ^= random << 13;
            random ^= random >>> 17;
            random ^= random << 5;
            const dueMs = msPerRecord === 0 ? now : startMs + next * msPerRecord;
            out.emit({ key: (random >>> 0) % keys, dueMs });
          }
          if (next >= count) return 'end';
          return next >= due ? WAIT_MS : 'more';
        },
        position: () => next,
        close() {},
      };
    },
  };
}

/** Leaves a histogram of each subtask in the directory. */
function stopwatch(warmUpMs, directory) {
  return {
    name: 'stopwatch',
    open({ subtask }) {
      const histogram = new LatencyHistogram();
      let fromMs = null;
      let isWritten = false;
      return {
        write({ dueMs }) {
          fromMs ??= dueMs + warmUpMs;
          if (dueMs >= fromMs) histogram.record(nowMs() - dueMs);
          else if (dueMs === END && !isWritten) {
            isWritten = true;
            writeFileSync(join(directory, `${subtask}.json`), JSON.stringify(histogram));
          }
        },
        prepare: () => null,
        close() {},
      };
    },
    commit() {},
  };
}
