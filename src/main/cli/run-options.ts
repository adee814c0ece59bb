/** The flags of `tidemark run`, and what they mean. */
import { TidemarkError } from '../../format/errors.ts';
import type { StartOptions } from '../handle.ts';

/** As commander gives them. */
export interface RunFlags {
  readonly fromCheckpoint?: string;
  readonly resume?: boolean;
  readonly fallback?: boolean;
  readonly allowNonRestoredState?: boolean;
  readonly claimMode?: string;
  readonly parallelism?: string;
  readonly threads?: string;
  readonly define?: Readonly<Record<string, string>>;
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly detached?: boolean;
  readonly json?: boolean;
  readonly cpuProf?: boolean;
  /** Hidden: set by a detaching process for the one that it starts. */
  readonly jobId?: string;
}

/** @throws TidemarkError ERR_USAGE */
export function toStartOptions(flags: RunFlags, jobArgs: readonly string[]): Omit<StartOptions, 'signal'> {
  if (flags.fromCheckpoint !== undefined && flags.resume) {
    throw usage(
      '-s and --resume exclude each other: -s names the checkpoint to start from, --resume finds the newest one of this job',
    );
  }
  if (flags.fallback && !flags.resume)
    throw usage('--fallback needs --resume: with -s there is no other checkpoint to fall back to');
  return {
    args: jobArgs,
    ...(flags.define !== undefined && { config: flags.define }),
    ...(flags.parallelism !== undefined && { parallelism: positiveInteger('-p', flags.parallelism) }),
    ...(flags.threads !== undefined && { threads: positiveInteger('-t', flags.threads) }),
    ...(flags.fromCheckpoint !== undefined && { from: flags.fromCheckpoint }),
    ...(flags.resume && { resume: true }),
    ...(flags.fallback && { fallback: true }),
    ...(flags.allowNonRestoredState && { allowNonRestoredState: true }),
    ...(flags.claimMode !== undefined && { claimMode: claimModeOf(flags.claimMode) }),
    ...(flags.config !== undefined && { configFile: flags.config }),
  };
}

/** Collects `-D key=value`; a key may be given once. */
export function collectDefinition(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw usage(`-D needs key=value, such as -D task.threads=2; it was given ${JSON.stringify(text)}`);
  const key = text.slice(0, at).trim();
  if (Object.hasOwn(before, key))
    throw usage(`-D ${key} is given twice: ${JSON.stringify(before[key])} and ${JSON.stringify(text.slice(at + 1))}`);
  return { ...before, [key]: text.slice(at + 1) };
}

export function usage(message: string): TidemarkError {
  return new TidemarkError('ERR_USAGE', `${message}.`);
}

function positiveInteger(flag: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value))
    throw usage(`${flag} needs a whole number of at least 1; it was given ${JSON.stringify(text)}`);
  return value;
}

function claimModeOf(text: string): 'no-claim' | 'claim' {
  const mode = text.toLowerCase().replaceAll('_', '-');
  if (mode === 'claim' || mode === 'no-claim') return mode;
  throw usage(`--claim-mode is no-claim or claim; it was given ${JSON.stringify(text)}`);
}
