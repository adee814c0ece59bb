/**
 * The commands for checkpoints on disk: their arguments, options and help. They need no running job. Each stands by itself
 * (`tidemark get`) and below `checkpoints` (`tidemark checkpoints get`).
 */
import { type Command, Option } from 'commander';
import { collectDefinition } from './run-options.ts';

/** Makes a command with what all commands have. */
type MakeCommand = (nameAndArguments: string, on?: Command) => Command;
type SetExitCode = (code: number) => void;

const PATH = ['<path>', 'directory or _metadata file of a checkpoint or savepoint'] as const;
const UID = ['<uid>', 'uid of the operator'] as const;
const STATE = ['<state>', 'name of the state; `tidemark inspect` lists them'] as const;

export function defineCheckpointCommands(command: MakeCommand, setExitCode: SetExitCode): void {
  const group = command('checkpoints').description('Shows and checks checkpoints on disk.').addHelpText('after', GROUP_HELP);
  group
    .command('list')
    .description('Lists the checkpoints and savepoints in a directory.')
    .option('--json', 'one JSON document on standard output')
    .argument('<dir>', 'execution.checkpointing.dir, the directory of one job in it, or a directory of savepoints')
    .option('--latest', 'print the path of the newest sound checkpoint, and nothing else; exit code 3 if there is none')
    .option(
      '--history <n>',
      'show the last n events of each job, with checkpoints that were deleted since; default: the last 10 failures and restores',
    )
    .action(async (directory: string, flags) =>
      setExitCode(await (await import('./list.ts')).listCheckpointsCommand(directory, flags)),
    );
  defineTools(command, setExitCode);
  defineTools((nameAndArguments) => command(nameAndArguments, group), setExitCode);
}

function defineTools(command: MakeCommand, setExitCode: SetExitCode): void {
  command('inspect')
    .description('Shows what a checkpoint or savepoint holds: operators, states, sizes, files.')
    .argument(...PATH)
    .option('--heaviest <n>', 'show the n keys of each state with the most bytes; reads every entry')
    .option('--key-groups', 'show entries and bytes of each key group; reads every entry')
    .action(async (path: string, flags) => setExitCode(await (await import('./inspect.ts')).inspectCommand(path, flags)));
  command('verify')
    .description('Checks that every file of a checkpoint is there and is what the manifest says.')
    .argument(...PATH)
    .option('--deep', 'decode every entry and compare the state digests')
    .action(async (path: string, flags) => setExitCode(await (await import('./verify.ts')).verifyCommand(path, flags)));
  command('get')
    .description("Shows one key's value. Reads only the blocks that hold it.")
    .argument(...PATH)
    .argument(...UID)
    .argument(...STATE)
    .argument('<key>', 'see below')
    .addHelpText('after', GET_HELP)
    .action(async (path: string, uid: string, state: string, key: string, flags) =>
      setExitCode(await (await import('./get.ts')).getCommand(path, uid, state, key, flags)),
    );
  command('diff')
    .description('Shows what differs between two checkpoints, for each state.')
    .argument('<a>', 'directory or _metadata file of the earlier one')
    .argument('<b>', 'of the later one')
    .option('--exact', 'compare every entry that may differ, and sum the bytes of each kind of change')
    .option('--keys', 'list the keys; implies --exact')
    .addHelpText('after', DIFF_HELP)
    .action(async (a: string, b: string, flags) => setExitCode(await (await import('./diff.ts')).diffCommand(a, b, flags)));
  command('plan')
    .description('Shows what starting a job from a checkpoint would do: what is matched, dropped, migrated, and read.')
    .requiredOption('--from <path>', 'directory or _metadata file of the checkpoint or savepoint')
    .argument('<job file>', 'as for `run`')
    .argument('[job args...]', "everything after the job file is the job's")
    .option('-n, --allow-non-restored-state', 'as for `run`')
    .option('-p, --parallelism <n>', 'as for `run`')
    .option('-t, --threads <n>', 'as for `run`')
    .option('-D, --define <key=value>', 'as for `run`; may be given many times', collectDefinition)
    .option('--config <file>', 'as for `run`')
    .passThroughOptions()
    .addHelpText('after', PLAN_HELP)
    .action(async (jobFile: string, jobArgs: string[], flags) =>
      setExitCode(await (await import('./plan.ts')).planCommand(jobFile, jobArgs, flags)),
    );
  command('why')
    .description('Shows who needs a file of a checkpoint directory, and since when.')
    .argument('<dir>', 'execution.checkpointing.dir, the directory of one job in it, or a savepoint')
    .argument('<file>', 'a table (its name, path or hash), or a checkpoint such as chk-7')
    .addHelpText('after', WHY_HELP)
    .action(async (directory: string, file: string, flags) =>
      setExitCode(await (await import('./why.ts')).whyCommand(directory, file, flags)),
    );
  command('gc')
    .description('Deletes what no checkpoint needs. Directories of running jobs are left to them.')
    .argument('<dir>', 'execution.checkpointing.dir, or the directory of one job in it')
    .option('--dry-run', 'show what would be deleted')
    .option('--retain <n>', 'delete all but the newest n checkpoints of each job, too')
    .addHelpText('after', GC_HELP)
    .action(async (directory: string, flags) => setExitCode(await (await import('./gc.ts')).gcCommand(directory, flags)));
  command('drill')
    .description('Restores a checkpoint into memory, takes a snapshot of it, and compares the two.')
    .argument(...PATH)
    .addHelpText('after', DRILL_HELP)
    .action(async (path: string, flags) => setExitCode(await (await import('./drill.ts')).drillCommand(path, flags)));
  command('export')
    .description('Writes a state as JSONL or CSV, in the order of key hashes.')
    .argument(...PATH)
    .argument(...UID)
    .argument(...STATE)
    .addOption(new Option('--format <format>', 'jsonl or csv').choices(['jsonl', 'csv']).default('jsonl'))
    .option('-o, --output <file>', 'a new file instead of standard output')
    .addHelpText('after', EXPORT_HELP)
    .action(async (path: string, uid: string, state: string, flags) =>
      setExitCode(await (await import('./export.ts')).exportCommand(path, uid, state, flags)),
    );
}

const GROUP_HELP = `
These commands change nothing but \`gc\`, and need no running job. They can also be called without \`checkpoints\`.
`;

const GET_HELP = `
How a key is written depends on its type, which \`tidemark inspect\` shows:
  string, enum        as it is             user-7
  i32, int, f64       a number             42, -0.5, NaN
  bigint              digits               90071992547409931
  boolean             true, false
  timestamp           ms or ISO 8601       2026-01-31T12:00:00Z
  bytes               base64, or hex:      hex:00ff
  several, optional   JSON                 '["eu", 7]'
  any                 JSON, else a string  7 is a number, '"7"' a string, 7n a bigint

A key that begins with a dash comes after --:
  tidemark get ./checkpoints/<job id>/chk-7 counts accumulator -- -42

Exit code 1: the key has no entry.
`;

const DIFF_HELP = `
States with equal digests are equal and are not read, and neither are files that both checkpoints have, as far as that is possible.
Between a checkpoint and the next one, only what was written in between is read and counted; --exact and --keys also look up
what was there before, for which blocks of the shared files are read.

  tidemark diff ./checkpoints/<job id>/chk-6 ./checkpoints/<job id>/chk-7
  tidemark diff --keys --json ./checkpoints/<job id>/chk-6 ./checkpoints/<job id>/chk-7 | jq -r '.keys[].key'
`;

const PLAN_HELP = `
The job file is loaded, nothing is run, and the running job is left alone. Exit code 3: the job could not be started from it.

  tidemark plan --from ./checkpoints/<job id>/chk-7 -p 8 new-version.ts
`;

const WHY_HELP = `
Exit code 1: no checkpoint needs the file. If a manifest cannot be read, that cannot be told, and is an error.

  tidemark why ./checkpoints 0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f.sst
  tidemark why ./checkpoints/<job id> chk-7    what would go with the checkpoint, and what is shared
`;

const GC_HELP = `
Deletes tables that no manifest names, unfinished publications and unfinished deletions. If a manifest of a job cannot be read, nothing
of that job is deleted. Checkpoints are only deleted with --retain. Exit code 1: some job's directory was left alone, and why.

  tidemark gc --dry-run ./checkpoints
  tidemark gc --retain 1 ./checkpoints/<job id>
`;

const DRILL_HELP = `
Needs as much memory as the job's keyed state, and writes nothing. Exit code 3: what was restored is not what was checkpointed.
`;

const EXPORT_HELP = `
jsonl: a line for each key, {"key":...,"value":...}; of a map state for each of its entries, with "mapKey".
csv:   with a header; parts of a key and fields of a record have columns of their own, what is no scalar is JSON text.

  tidemark export ./checkpoints/<job id>/chk-7 counts accumulator | head
  tidemark export --format csv -o counts.csv ./checkpoints/<job id>/chk-7 counts accumulator
`;
