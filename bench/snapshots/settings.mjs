/** Sizes and times, and the options that change them. */
import { KEY_BYTES } from './measure.mjs';

/**
 * Under a minute in all, 50 s on two cores: one state, and few checkpoints of it. Four shares are below a half, so that a line through
 * them says something; at a half itself, where some parts are written whole, a point takes 9 s and adds nothing to it.
 */
export const QUICK = {
  states: [30e6],
  changed: [0.001, 0.01, 0.1, 0.3, 1],
  distributions: ['uniform'],
  values: [100],
  grid: { checkpoints: 20, least: 3, budgetMs: 500, stream: { intervalMs: 150, windowMs: 300, warmUpMs: 150, pairs: 1 } },
  frequent: { stateBytes: 30e6, valueBytes: 92, stream: { intervalMs: 100, windowMs: 500, pairs: 2 } },
  stall: { stateBytes: 30e6, valueBytes: 1000, stream: { intervalMs: 100, windowMs: 1000, warmUpMs: 300, pairs: 1 } },
  memory: { stateBytes: 16e6, valueBytes: 8, intervalMs: 100, durationMs: 1000 },
};

export const FULL = {
  states: [10e6, 100e6, 1e9],
  changed: [0.001, 0.01, 0.1, 0.3, 0.5, 1],
  distributions: ['uniform', 'zipf'],
  values: [8, 100, 1000],
  grid: { checkpoints: 100, least: 5, budgetMs: 20_000, stream: { intervalMs: 1000, windowMs: 4000, pairs: 3 } },
  // 10 million entries of 100 bytes.
  frequent: { stateBytes: 1e9, valueBytes: 92, stream: { intervalMs: 100, windowMs: 5000, pairs: 5 } },
  stall: { stateBytes: 1e9, valueBytes: 1000, stream: { intervalMs: 100, windowMs: 10_000, pairs: 3 } },
  memory: { stateBytes: 160e6, valueBytes: 8, intervalMs: 1000, durationMs: 60_000 },
};

export const BENCH_OPTIONS = {
  state: { type: 'string' },
  changed: { type: 'string' },
  distribution: { type: 'string' },
  value: { type: 'string' },
  checkpoints: { type: 'string' },
  budget: { type: 'string' },
  pairs: { type: 'string' },
  minutes: { type: 'string' },
};

const UNITS = { kb: 1e3, mb: 1e6, gb: 1e9 };
const DISTRIBUTIONS = ['uniform', 'zipf'];

/** @throws for a value that cannot be read, with the option's name */
export function settle(settings, { state, changed, distribution, value, checkpoints, budget, pairs, minutes }) {
  const states = listOf('--state', state, bytesOf) ?? settings.states;
  const own = {
    ...settings,
    states,
    changed: listOf('--changed', changed, percentOf) ?? settings.changed,
    distributions: listOf('--distribution', distribution, distributionOf) ?? settings.distributions,
    values: listOf('--value', value, valueOf) ?? settings.values,
    grid: {
      ...settings.grid,
      ...(checkpoints !== undefined && { checkpoints: positive('--checkpoints', checkpoints) }),
      ...(budget !== undefined && { budgetMs: 1000 * positive('--budget', budget) }),
      ...(pairs !== undefined && { stream: { ...settings.grid.stream, pairs: positive('--pairs', pairs) } }),
    },
    ...(minutes !== undefined && { memory: { ...settings.memory, durationMs: 60_000 * positive('--minutes', minutes) } }),
  };
  if (state === undefined) return own;
  // These take one state: the first.
  const [stateBytes] = states;
  const { frequent, stall, memory } = own;
  return {
    ...own,
    frequent: { ...frequent, stateBytes },
    stall: { ...stall, stateBytes },
    memory: { ...memory, stateBytes },
  };
}

/** Entries of a state of so many bytes of keys and values. */
export function entriesOf(stateBytes, valueBytes) {
  return Math.round(stateBytes / (KEY_BYTES + valueBytes));
}

function listOf(option, text, parse) {
  return text?.split(',').map((item) => {
    const parsed = parse(item.trim().toLowerCase());
    if (parsed === null) throw new Error(`${option} cannot take '${item}'. ${EXPECTED[option]}`);
    return parsed;
  });
}

const EXPECTED = {
  '--state': 'It takes sizes such as 10mb,1gb.',
  '--changed': 'It takes percentages above 0 and up to 100, such as 0.1,1,10.',
  '--distribution': `It takes ${DISTRIBUTIONS.join(',')}.`,
  '--value': 'It takes bytes, 8 or more, such as 8,100,1000.',
};

function bytesOf(text) {
  const match = /^(\d+(?:\.\d+)?)(kb|mb|gb)$/.exec(text);
  return match === null ? null : Number(match[1]) * UNITS[match[2]];
}

function percentOf(text) {
  const percent = Number(text);
  return percent > 0 && percent <= 100 ? percent / 100 : null;
}

function distributionOf(text) {
  return DISTRIBUTIONS.includes(text) ? text : null;
}

function valueOf(text) {
  const bytes = Number(text);
  return Number.isInteger(bytes) && bytes >= 8 ? bytes : null;
}

function positive(option, text) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${option} takes a number above 0, not '${text}'.`);
  return number;
}
