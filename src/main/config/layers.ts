/**
 * Where values come from, in rising precedence: defaults, file, environment, job code, command line. A layer is what one
 * source says; `mergeLayers` decides which value of each option holds and reports every problem at once.
 */
import { TidemarkError } from '../../format/errors.ts';
import { nearest } from './nearest.ts';
import { allSpellings, isGroup, OPTIONS, optionKeyOf, refusalOf, type OptionKey } from './options.ts';
import { ValueRefused, type RawValue } from './value-kinds.ts';

export interface LayerEntry {
  /** As written: new or old spelling. */
  readonly key: string;
  readonly raw: RawValue;
  /** For people: `tidemark.config.yaml:3`, `TIDEMARK_TASK_THREADS`, `job code`, `-D`. */
  readonly origin: string;
}

export interface ResolvedValue {
  readonly value: unknown;
  readonly origin: string;
}

/**
 * @param layers  lowest precedence first
 * @throws TidemarkError ERR_CONFIG_INVALID, naming every unknown key, refused value and key given twice
 */
export function mergeLayers(layers: readonly (readonly LayerEntry[])[]): ReadonlyMap<OptionKey, ResolvedValue> {
  const resolved = new Map<OptionKey, ResolvedValue>();
  const problems: string[] = [];
  for (const layer of layers) {
    const inThisLayer = new Map<OptionKey, LayerEntry>();
    for (const entry of layer) {
      const key = optionKeyOf(entry.key);
      if (key === undefined) {
        problems.push(unknownKey(entry));
        continue;
      }
      const twin = inThisLayer.get(key);
      if (twin !== undefined) {
        problems.push(
          twin.key === entry.key
            ? `${entry.key} is given twice (${twin.origin} and ${entry.origin})`
            : `${twin.key} (${twin.origin}) and ${entry.key} (${entry.origin}) are two spellings of one option: keep the one of them that is meant`,
        );
        continue;
      }
      inThisLayer.set(key, entry);
      try {
        resolved.set(key, { value: OPTIONS[key].kind.parse(entry.raw), origin: entry.origin });
      } catch (error) {
        if (!(error instanceof ValueRefused)) throw error;
        problems.push(`${entry.key}: ${JSON.stringify(entry.raw)} ${error.message} (${entry.origin})`);
      }
    }
  }
  if (problems.length > 0) throw configInvalid(problems);
  return resolved;
}

/** ERR_CONFIG_INVALID for one problem or several. */
export function configInvalid(problems: readonly string[]): TidemarkError {
  const message =
    problems.length === 1
      ? `The configuration is not valid: ${problems[0]}.`
      : `The configuration is not valid, for ${problems.length} reasons:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`;
  return new TidemarkError(
    'ERR_CONFIG_INVALID',
    `${message}\nEvery option is listed in docs/configuration.md; \`tidemark run --print-config <job file>\` shows what holds and why.`,
    { facts: { problems: problems.join('; ') } },
  );
}

function unknownKey({ key, origin }: LayerEntry): string {
  const refusal = refusalOf(key);
  if (refusal !== undefined) return `${key} (${origin}) is refused: ${refusal}`;
  if (isGroup(key)) return `${key} (${origin}) is a group of options and has no value of its own, as ${membersOf(key)} have`;
  return `unknown key ${key} (${origin}); the nearest known one is ${nearest(key, allSpellings())}`;
}

/** The first few options of a group. */
function membersOf(group: string): string {
  return [...allSpellings()]
    .filter((spelling) => spelling.startsWith(`${group}.`))
    .slice(0, 3)
    .join(', ');
}
