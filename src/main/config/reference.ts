/** The reference of all options as Markdown: the tables of `docs/configuration.md`, which a test compares with this. */
import { OPTION_KEYS, OPTIONS, type OptionKey, REFUSED } from './options.ts';

const SECTIONS: readonly (readonly [title: string, prefixes: readonly string[]])[] = [
  ['Execution', ['parallelism.', 'pipeline.', 'task.']],
  ['Checkpoints', ['execution.checkpointing.']],
  ['Starting from a checkpoint', ['execution.state-recovery.']],
  ['State', ['state.']],
  ['Restarts', ['restart-strategy.', 'jobmanager.']],
  ['Tuning', ['runtime.']],
];

export function configurationReference(): string {
  return SECTIONS.map(([title, prefixes]) => {
    const keys = OPTION_KEYS.filter((key) => prefixes.some((prefix) => key.startsWith(prefix)));
    return `## ${title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n${keys.map(row).join('\n')}\n`;
  })
    .concat(refusedReference())
    .join('\n');
}

function refusedReference(): string {
  const rows = REFUSED.map(([key, reason]) => `| \`${key}\` | ${reason} |`).join('\n');
  return `## Options of Flink that are refused\n\nThe key itself, and whatever begins with it and a dot.\n\n| key | why |\n|---|---|\n${rows}\n`;
}

function row(key: OptionKey): string {
  const { kind, defaultValue, meaning, aliases } = OPTIONS[key];
  const old = aliases.length === 0 ? '' : ` Also spelled ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`;
  const written = (kind.format as (value: unknown) => string)(defaultValue);
  return `| \`${key}\` | ${kind.label} | \`${written}\` | ${meaning}${old} |`;
}
