/** Calls a function of a module in a process of its own, for its result. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withHugePages } from '../../dist/main/huge-pages.js';

const CHILD = fileURLToPath(new URL('./isolated-child.mjs', import.meta.url));
const MEASURE = new URL('./measure.mjs', import.meta.url).href;
const BASELINES = new URL('../engine/baselines.mjs', import.meta.url).href;

/** @param name  function of `measure.mjs` */
export function measureAlone(name, options) {
  return callAlone(MEASURE, name, options);
}

/** @param name  function of `engine/baselines.mjs` */
export function baselineAlone(name, options) {
  return callAlone(BASELINES, name, options);
}

/**
 * @param moduleUrl  of the module (a string that starts with `file:`)
 * @param name       of the function that it exports
 * @param options    its argument; both this and its result are JSON
 */
export function callAlone(moduleUrl, name, options) {
  const child = fork(CHILD, [moduleUrl, name, JSON.stringify(options)], {
    // As `tidemark run` starts what runs a job; the programs of comparison have the same.
    env: withHugePages(process.env),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let result;
    child.on('message', (message) => {
      result = message;
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${name} ended with ${signal ?? `exit code ${code}`}; what it said is above`));
    });
  });
}
