/**
 * Loads a job module, on the main thread and in every worker; each gets its own functions, nothing is serialised.
 *
 *   .js .mjs        import(), the module system's own
 *   .ts             import() where this Node strips types, else jiti
 *   anything that import() cannot do for a reason that jiti can (see `jitiCanHelp`): again with jiti
 *
 * jiti is given the running package under the name `tidemark`, so that a job file anywhere on disk works with a globally
 * installed command line, and there is one instance of the package. (tsx would load a second one.) A job that has its
 * own copy of the package in reach of import() gets that copy; `JOB_BRAND` tells whether it fits.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TidemarkError } from '../format/errors.ts';
import { GRAPH_VERSION, JOB_BRAND, type JobGraph } from './graph.ts';
import { describeLoadFailure, jitiCanHelp } from './load-failure.ts';

export interface LoadOptions {
  /** What follows the job file on the command line. */
  readonly args?: readonly string[];
  /** Directory that a relative path starts from; default the working directory. */
  readonly cwd?: string;
}

export interface LoadedJob {
  readonly graph: JobGraph;
  /** file: URL to load the module from again in workers. */
  readonly moduleUrl: string;
}

/** The package's entry, built or as source. By URL: it imports this folder, and a folder does not import its importers. */
const PACKAGE_ENTRY = new URL(extname(import.meta.url) === '.ts' ? '../index.ts' : '../bundle/index.js', import.meta.url).href;

const EXAMPLE = `A job file looks like this:

  import { job, files } from 'tidemark';
  export default job('line-count', (flow) =>
    flow.from(files.lines('*.txt')).keyBy((line) => line).count().to(files.jsonl('out')));`;

/**
 * Loads the job that a module exports by default: a graph made by `job(...)`, or a function of the job's arguments that
 * returns one.
 *
 * @param file  path or file: URL
 * @throws TidemarkError ERR_JOB_NOT_FOUND, or ERR_JOB_LOAD saying what went wrong and where
 */
export async function loadJob(file: string | URL, options: LoadOptions = {}): Promise<LoadedJob> {
  const cwd = options.cwd ?? process.cwd();
  const path = String(file).startsWith('file:') ? fileURLToPath(file) : resolve(cwd, String(file));
  requireFile(path, cwd);
  const moduleUrl = pathToFileURL(path).href;
  let exports: Record<string, unknown>;
  try {
    exports = await importModule(moduleUrl, path);
  } catch (error) {
    throw await describeLoadFailure(error, path, () => importWithJiti(moduleUrl));
  }
  return { graph: await toGraph(exports, path, options.args ?? []), moduleUrl };
}

function requireFile(path: string, cwd: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return;
  if (found?.isDirectory())
    throw new TidemarkError('ERR_JOB_NOT_FOUND', `${path} is a directory, not a job file. Name the file in it.`, {
      facts: { path, cwd },
    });
  const near = similarFile(path);
  const hint = near === undefined ? '' : ` Did you mean ${near}?`;
  throw new TidemarkError('ERR_JOB_NOT_FOUND', `There is no job file ${path} (working directory: ${cwd}).${hint}`, {
    facts: { path, cwd },
  });
}

/** A file in the same directory with the same stem, such as `count.ts` for `count.js`. */
function similarFile(path: string): string | undefined {
  const directory = dirname(path);
  if (!existsSync(directory)) return undefined;
  const stem = basename(path, extname(path));
  const name = readdirSync(directory).find(
    (candidate) => basename(candidate, extname(candidate)) === stem && /\.[cm]?[jt]s$/.test(candidate),
  );
  return name === undefined ? undefined : join(directory, name);
}

async function importModule(url: string, path: string): Promise<Record<string, unknown>> {
  const nodeStripsTypes = (process.features as { typescript?: string | false }).typescript;
  if (/\.([cm]?ts|tsx)$/.test(path) && !nodeStripsTypes) return importWithJiti(url);
  try {
    return (await import(url)) as Record<string, unknown>;
  } catch (error) {
    if (!jitiCanHelp(error)) throw error;
    return importWithJiti(url);
  }
}

async function importWithJiti(url: string): Promise<Record<string, unknown>> {
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, {
    fsCache: cacheDirectory() ?? false,
    interopDefault: false,
    virtualModules: { tidemark: await import(PACKAGE_ENTRY) },
  });
  return jiti.import<Record<string, unknown>>(url);
}

/** A directory of the user's own: transpiled code in a shared temporary directory could be another user's. */
function cacheDirectory(): string | undefined {
  const { XDG_CACHE_HOME: xdg, HOME: home, LOCALAPPDATA: windows } = process.env;
  const base = xdg || (home && join(home, '.cache')) || windows;
  return base ? join(base, 'tidemark', 'jiti') : undefined;
}

async function toGraph(exports: Record<string, unknown>, path: string, args: readonly string[]): Promise<JobGraph> {
  const exported = exports['default'];
  if (exported === undefined) {
    const names = Object.keys(exports).filter((name) => name !== '__esModule');
    const found = names.length === 0 ? 'It exports nothing.' : `It exports ${names.join(', ')}.`;
    throw new TidemarkError('ERR_JOB_LOAD', `The job file ${path} has no default export. ${found}\n${EXAMPLE}`, {
      facts: { path },
    });
  }
  let value: unknown = exported;
  if (typeof exported === 'function') {
    try {
      value = await (exported as (args: readonly string[]) => unknown)(args);
    } catch (error) {
      throw await describeLoadFailure(error, path);
    }
  }
  if (!isGraph(value)) {
    const what = typeof exported === 'function' ? `a function that returned ${describe(value)}` : describe(value);
    throw new TidemarkError('ERR_JOB_LOAD', `The default export of ${path} is not a job: it is ${what}.\n${EXAMPLE}`, {
      facts: { path, found: what },
    });
  }
  if (value[JOB_BRAND] !== GRAPH_VERSION) {
    throw new TidemarkError(
      'ERR_JOB_LOAD',
      `The job in ${path} was made by another version of tidemark: its graph has version ${value[JOB_BRAND]}, this one runs version ${GRAPH_VERSION}. ` +
        'Install the same version where the job file lies and where the command line comes from.',
      { facts: { path, found: value[JOB_BRAND], expected: GRAPH_VERSION } },
    );
  }
  return value;
}

function isGraph(value: unknown): value is JobGraph {
  return typeof value === 'object' && value !== null && JOB_BRAND in value;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'no fields'}`;
  return `a ${typeof value}`;
}
