/**
 * Reads checkpoints from the description in docs/formats.md, with JSON.parse and stat alone. Shares no code with Tidemark.
 * A checkpoint that is there must be complete: every file that its manifest names exists and has the size it says.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Every `chk-<n>` with a `_metadata` below a checkpoint directory, oldest first. A running job may delete one between two looks at it. */
export function listCheckpoints(base) {
  const found = [];
  for (const jobId of namesIn(base)) {
    if (!/^[0-9a-f]{32}$/.test(jobId)) continue;
    for (const name of namesIn(join(base, jobId))) {
      const match = /^chk-(\d+)$/.exec(name);
      if (match === null) continue;
      const metadata = join(base, jobId, name, '_metadata');
      const at = statSync(metadata, { throwIfNoEntry: false })?.mtimeMs;
      if (at !== undefined) found.push({ jobId, checkpointId: Number(match[1]), path: join(base, jobId, name), metadata, at });
    }
  }
  return found.toSorted((a, b) => a.at - b.at || a.checkpointId - b.checkpointId);
}

function namesIn(directory) {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** The manifest as an object: everything before the last line, which holds the checksum. */
export function readManifest(metadata) {
  const text = readFileSync(metadata, 'utf8');
  if (!text.endsWith('\n')) throw new Error(`${metadata} has no newline at its end: it was published half written`);
  const body = text.slice(0, text.lastIndexOf('\n', text.length - 2));
  return JSON.parse(body);
}

/** @returns {string[]} what is wrong with the checkpoints of a directory; empty when all that exist are complete */
export function findIncompleteCheckpoints(base) {
  const problems = [];
  for (const { path, metadata, jobId, checkpointId } of listCheckpoints(base)) {
    try {
      const manifest = readManifest(metadata);
      if (manifest.jobId !== jobId) problems.push(`${metadata}: names job ${manifest.jobId}`);
      if (manifest.checkpointId !== checkpointId) problems.push(`${metadata}: names checkpoint ${manifest.checkpointId}`);
      for (const { hash, sizeBytes } of tablesOf(manifest)) {
        const table = join(path, '..', 'shared', `${hash}.sst`);
        const size = statSync(table, { throwIfNoEntry: false })?.size;
        if (size !== sizeBytes)
          problems.push(`${metadata}: ${table} has ${size ?? 'no file'}, the manifest says ${sizeBytes} bytes`);
      }
    } catch (error) {
      problems.push(`${metadata}: ${error.message}`);
    }
  }
  return problems;
}

export function tablesOf(manifest) {
  return manifest.stages.flatMap((stage) => stage.subtasks.flatMap((subtask) => subtask.tables));
}

/** `uid/state` -> digest and number of entries: equal for equal state, whatever the history. */
export function digestsOf(manifest) {
  const digests = {};
  for (const { uid, keyedStates } of manifest.operators) {
    for (const { name, digest, entries } of keyedStates) digests[`${uid}/${name}`] = `${digest} ${entries}`;
  }
  return digests;
}
