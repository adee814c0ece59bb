/** The tools for checkpoints, on what a real job wrote: every kind of state, two checkpoints and more, another version of the job. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { stateValueToJson } from '../../src/format/state-content.ts';
import { exportState } from '../../src/snapshot/export.ts';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { getEntry } from '../../src/snapshot/get.ts';
import { makeDirectory, runCli } from '../support/cli.ts';

const JOB = `
  import { aggregating, count, distinct, discard, generate, job, list, map, reducing, sum, t, topN, value } from 'tidemark';
  const Visit = t.record({ index: t.int, user: t.string, page: t.i32 });
  export default job('visits', (flow, [count_ = '3000']) => {
    const visits = flow.from(generate({
      count: Number(count_), ratePerSecond: 10000, schema: Visit,
      make: (index) => ({ index, user: \`user-\${index % 100}\`, page: index % 7 }),
    })).uid('visits');
    visits.keyBy('user').process({
      state: {
        last: value(Visit), pages: map(t.i32, t.int), log: list(t.int), largest: reducing(t.int, (a, b) => Math.max(a, b)),
        mean: aggregating({ create: () => ({ n: 0, sum: 0 }), add: (acc, x) => ({ n: acc.n + 1, sum: acc.sum + x }), result: (acc) => acc.sum / acc.n }),
      },
      onRecord(visit, { state }) {
        // Sources read side by side: what is left must not depend on the order of arrival.
        if (!(state.last.get()?.index > visit.index)) state.last.set(visit);
        state.pages.set(visit.page, (state.pages.get(visit.page) ?? 0) + 1);
        state.log.add(visit.index);
        state.largest.add(visit.index);
        state.mean.add(visit.page);
      },
    }).uid('profile').to(discard()).uid('none');
    visits.keyBy(['user', 'page']).aggregate({ n: count(), total: sum('index'), pages: distinct('page'), top: topN(2, 'index') })
      .uid('sums').to(discard()).uid('nothing');
  });
`;

const OPTIONS = [
  ['execution.checkpointing.dir', 'chk'],
  ['execution.checkpointing.interval', '60 ms'],
  ['execution.checkpointing.num-retained', '3'],
  ['execution.checkpointing.externalized-checkpoint-retention', 'RETAIN_ALWAYS'],
].flatMap(([key, of]) => ['-D', `${key}=${of}`]);

// What a command prints: its shape is what the test looks at.
// oxlint-disable-next-line typescript/no-explicit-any
type Document = any;

async function json(
  directory: string,
  args: readonly string[],
): Promise<{ code: number | null; document: Document; stderr: string }> {
  const result = await runCli(directory, args.toSpliced(args[0] === 'checkpoints' ? 2 : 1, 0, '--json'));
  return { code: result.code, document: result.stdout === '' ? null : result.json(), stderr: result.stderr };
}

it('tools: get, diff, export, verify, drill, why, plan and gc agree with what the job has done', async () => {
  const directory = makeDirectory({ 'job.mjs': JOB });
  const run = await runCli(directory, ['run', '--json', '-p', '3', ...OPTIONS, 'job.mjs', '3000']);
  expect(run.code, run.stderr).toBe(0);
  const last = run.json()['lastCheckpoint'] as string;
  const jobDirectory = dirname(last);
  const listed = (await json(directory, ['checkpoints', 'list', 'chk'])).document.checkpoints as { directory: string }[];
  expect(listed[0].directory).toContain(last.split('/').at(-1));
  const before = join(directory, listed[1].directory);

  expect((await json(directory, ['get', last, 'profile', 'largest', 'user-7'])).document).toMatchObject({
    value: 2907,
    found: true,
  });
  const get = (uid: string, state: string, of: string): Document => {
    const { value } = getEntry(realFs, last, uid, state, of);
    return value === null ? null : stateValueToJson(value);
  };
  const indexes = Array.from({ length: 30 }, (_, i) => 7 + 100 * i);
  expect(get('profile', 'last', 'user-7')).toEqual({ index: 2907, user: 'user-7', page: 2907 % 7 });
  expect(get('profile', 'log', 'user-7').toSorted((a: number, b: number) => a - b)).toEqual(indexes);
  expect(get('profile', 'largest', 'user-7')).toBe(2907);
  expect(get('profile', 'mean', 'user-7')).toEqual({ n: 30, sum: indexes.reduce((sum, i) => sum + (i % 7), 0) });
  const pages = new Map<number, number>();
  for (const i of indexes) pages.set(i % 7, (pages.get(i % 7) ?? 0) + 1);
  expect(new Map(get('profile', 'pages', 'user-7'))).toEqual(pages);
  const ofPage = indexes.filter((i) => i % 7 === 3);
  const key = '["user-7", 3]';
  expect(get('sums', 'accumulator', key)).toMatchObject({
    count: ofPage.length,
    'sum(index)': ofPage.reduce((a, b) => a + b, 0),
  });
  expect(get('sums', 'distinct(page)', key)).toEqual([3]);
  expect(get('sums', 'topN(top)', key).map(({ index }: { index: number }) => index)).toEqual(ofPage.slice(-2).toReversed());
  expect((await runCli(directory, ['get', last, 'profile', 'last', 'nobody'])).code).toBe(1);

  const exported = await runCli(directory, ['export', last, 'profile', 'largest']);
  const rows = exported.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; value: number });
  expect(new Map(rows.map((row) => [row.key, row.value]))).toEqual(
    new Map(Array.from({ length: 100 }, (_, i) => [`user-${i}`, 2900 + i])),
  );
  const csv = await runCli(directory, ['export', '--format', 'csv', '-o', 'sums.csv', last, 'sums', 'accumulator']);
  expect(csv.code, csv.stderr).toBe(0);
  const lines = readFileSync(join(directory, 'sums.csv'), 'utf8').trimEnd().split('\r\n');
  expect(lines[0]).toBe('key1,key2,count,sum(index),distinct(page)');
  expect(lines).toContain(`user-7,3,${ofPage.length},${ofPage.reduce((a, b) => a + b, 0)},1`);
  const again = await runCli(directory, ['export', '-o', 'sums.csv', last, 'sums', 'accumulator']);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_IO') });

  const diff = await json(directory, ['diff', '--keys', before, last]);
  const changed = new Set(
    (diff.document.keys as { state: string; key: string }[]).filter(({ state }) => state === 'largest').map((one) => one.key),
  );
  const valuesIn = (path: string): Map<unknown, unknown> =>
    new Map([...exportState(realFs, path, 'profile', 'largest').rows].map(({ key: of, value }) => [of, value]));
  const earlier = valuesIn(before);
  expect(changed).toEqual(new Set([...valuesIn(last)].filter(([of, value]) => earlier.get(of) !== value).map(([of]) => of)));

  const verified = await json(directory, ['checkpoints', 'verify', '--deep', last]);
  expect(verified).toMatchObject({ code: 0, document: { ok: true, deep: true } });
  expect(verified.document.states).toHaveLength(8);
  const drill = await json(directory, ['drill', last]);
  expect(drill, drill.stderr).toMatchObject({ code: 0, document: { ok: true } });
  expect(drill.document.states.map(({ digest }: { digest: string }) => digest)).toEqual(
    verified.document.states.map(({ digest }: { digest: string }) => digest),
  );

  // Exactly what the job declares: every state matches, and at another parallelism too.
  const plan = await json(directory, ['plan', '--from', last, '-p', '8', 'job.mjs']);
  expect(plan, plan.stderr).toMatchObject({ code: 0, document: { ok: true } });
  const outcomes = plan.document.operators.flatMap((one: Document) =>
    one.states.map((state: Document) => `${one.uid} ${state.name} ${state.outcome}`),
  );
  expect(outcomes).toHaveLength(8);
  expect(outcomes.every((outcome: string) => outcome.endsWith(' same'))).toBe(true);
  writeFileSync(
    join(directory, 'next.mjs'),
    JOB.replaceAll("uid('sums')", "uid('totals')").replace('largest: reducing(t.int', 'largest: reducing(t.string'),
  );
  const refused = await json(directory, ['plan', '--from', last, 'next.mjs']);
  expect(refused.code).toBe(3);
  expect(refused.document.problems.map(({ code }: { code: string }) => code)).toEqual([
    'ERR_STATE_UNMATCHED',
    'ERR_STATE_INCOMPATIBLE',
  ]);

  const shared = join(jobDirectory, 'shared');
  const table = readdirSync(shared).find((name) => name.endsWith('.sst')) as string;
  expect((await json(directory, ['why', 'chk', table])).document.neededBy.length).toBeGreaterThan(0);
  const orphan = join(shared, `${'0'.repeat(32)}.sst`);
  copyFileSync(join(shared, table), orphan);
  expect((await runCli(directory, ['why', 'chk', orphan])).code).toBe(1);
  const dry = await json(directory, ['gc', '--dry-run', '--retain', '1', 'chk']);
  expect(dry.document.jobs[0].tables).toContain(join('chk', orphan.slice(orphan.indexOf('chk/') + 4)));
  expect(existsSync(orphan)).toBe(true);
  expect((await json(directory, ['gc', '--retain', '1', 'chk'])).code).toBe(0);
  expect(existsSync(orphan)).toBe(false);
  expect(readdirSync(jobDirectory).filter((name) => name.startsWith('chk-'))).toEqual([last.split('/').at(-1)]);
  expect((await json(directory, ['verify', '--deep', last])).document.ok).toBe(true);
});
