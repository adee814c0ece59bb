import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TidemarkError } from '../../src/format/errors.ts';
import { lineSplitter, MAX_LINE_BYTES, parseRequest } from '../../src/main/control-protocol.ts';
import { requestControl } from '../../src/main/control-socket.ts';
import { findJob, listJobs, matchJob, registerJob, type RegistryEntry } from '../../src/main/registry.ts';
import { ensureRuntimeDir, runtimeDirPath, socketPath } from '../../src/main/runtime-dir.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tm-reg-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const job = (jobId: string, jobName = 'word-count') => ({
  jobId,
  jobName,
  jobFile: 'job.ts',
  pid: process.pid,
  startedAt: new Date().toISOString(),
  cwd: '/',
});
const A = 'a'.repeat(32);
const B = `ab${'b'.repeat(30)}`;

describe('registry', () => {
  test('registry: a registered job is listed, answers, and is gone after its end', async () => {
    const registration = await registerJob(job(A), async (request) => ({ asked: request.method }), directory);
    expect((await listJobs(directory)).map((entry) => entry.jobId)).toEqual([A]);
    const { socket } = await findJob('word-count', directory);
    expect(await requestControl(socket, { method: 'cancel' })).toEqual({ asked: 'cancel' });
    await registration.close();
    expect(await listJobs(directory)).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('registry: what a killed process left behind is not listed and is removed', async () => {
    const dead = join(directory, `${B}.sock`);
    const child = spawn(
      process.execPath,
      ['-e', `require('net').createServer().listen(${JSON.stringify(dead)}, () => process.stdout.write('up'))`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((up) => child.stdout.once('data', up));
    writeFileSync(join(directory, `${B}.json`), JSON.stringify({ ...job(B), socket: dead }));
    expect((await listJobs(directory)).length).toBe(1);
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
    expect(await listJobs(directory)).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('registry: an unknown job is ERR_NO_SUCH_JOB and the message lists what runs', async () => {
    await expect(findJob('nothing', directory)).rejects.toMatchObject({
      code: 'ERR_NO_SUCH_JOB',
      message: expect.stringContaining('No job runs'),
    });
    const registration = await registerJob(job(A), async () => null, directory);
    await expect(findJob('nothing', directory)).rejects.toMatchObject({
      code: 'ERR_NO_SUCH_JOB',
      message: expect.stringContaining(A),
    });
    await registration.close();
  });

  test('registry: the errors of a job come back with code, facts and message', async () => {
    const failing = async () => {
      throw new TidemarkError('ERR_SAVEPOINT_FAILED', 'no directory', { facts: { path: '/x' } });
    };
    const registration = await registerJob(job(A), failing, directory);
    const { socket } = await findJob(A, directory);
    await expect(requestControl(socket, { method: 'savepoint' })).rejects.toMatchObject({
      code: 'ERR_SAVEPOINT_FAILED',
      message: 'no directory',
      facts: { path: '/x' },
    });
    await registration.close();
  });

  test('matching: id, prefix of an id, or a name; several are told apart', () => {
    const entry = (jobId: string, jobName: string): RegistryEntry => ({ ...job(jobId, jobName), socket: '' });
    const jobs = [entry(A, 'one'), entry(B, 'two'), entry(`c${'0'.repeat(31)}`, 'two')];
    expect(matchJob(A, jobs)).toBe(jobs[0]);
    expect(matchJob('aa', jobs)).toBe(jobs[0]);
    expect(matchJob('AB', jobs)).toBe(jobs[1]);
    expect(matchJob('one', jobs)).toBe(jobs[0]);
    expect(matchJob('a', jobs)).toEqual([jobs[0], jobs[1]]);
    expect(matchJob('two', jobs)).toEqual([jobs[1], jobs[2]]);
    expect(matchJob('', jobs)).toBeUndefined();
    expect(matchJob('x', jobs)).toBeUndefined();
  });
});

describe('control socket', () => {
  test('control socket: only its user may connect', async () => {
    const registration = await registerJob(job(A), async () => null, directory);
    expect(statSync(join(directory, `${A}.sock`)).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, `${A}.json`)).mode & 0o777).toBe(0o600);
    await registration.close();
  });

  test('control socket: a line beyond the limit ends the connection, and the job goes on', async () => {
    const registration = await registerJob(job(A), async () => 'alive', directory);
    const path = join(directory, `${A}.sock`);
    await new Promise<void>((closed) => {
      const socket = connect(path, () => socket.write(Buffer.alloc(MAX_LINE_BYTES + 1, 'x')));
      socket.on('error', () => undefined);
      socket.on('close', () => closed());
    });
    expect(await requestControl(path, { method: 'status' })).toBe('alive');
    await registration.close();
  });

  test.each([
    ['{', /not JSON/],
    ['1', /not an object/],
    ['{"method":"format-disk"}', /no method/],
    ['{"method":"stop","drain":"yes"}', /wrong type/],
    ['{"method":"savepoint","format":"zip"}', /wrong type/],
    ['{"method":"__proto__"}', /no method/],
  ])('control protocol: %s is refused with the reason', (line, reason) => expect(parseRequest(line)).toMatch(reason));

  test('control protocol: lines are cut at any chunk boundary', () => {
    const bytes = Buffer.from('{"a":"é"}\n\n{"b":1}\n');
    for (let cut = 0; cut <= bytes.length; cut++) {
      const lines: string[] = [];
      const split = lineSplitter((line) => lines.push(line));
      split(bytes.subarray(0, cut));
      split(bytes.subarray(cut));
      expect(lines).toEqual(['{"a":"é"}', '{"b":1}']);
    }
  });
});

describe('runtime directory', () => {
  test('runtime directory: our variable, then XDG where it exists, then the temporary directory', () => {
    expect(runtimeDirPath({ TIDEMARK_RUNTIME_DIR: '/mine', XDG_RUNTIME_DIR: directory })).toBe('/mine');
    expect(runtimeDirPath({ XDG_RUNTIME_DIR: directory })).toBe(join(directory, 'tidemark'));
    expect(runtimeDirPath({ XDG_RUNTIME_DIR: '/nonexistent' })).toBe(join(tmpdir(), `tidemark-${process.getuid?.()}`));
  });

  test('runtime directory: one that others may enter is refused', () => {
    chmodSync(directory, 0o755);
    expect(() => ensureRuntimeDir(directory)).toThrow(/others may enter it \(mode 755\)/);
    expect(statSync(ensureRuntimeDir(join(directory, 'new'))).mode & 0o777).toBe(0o700);
  });

  test('runtime directory: a path too long for a socket is refused, not cut', () => {
    expect(() => socketPath(`/${'x'.repeat(100)}`, A)).toThrow(/the system allows 103/);
  });
});
