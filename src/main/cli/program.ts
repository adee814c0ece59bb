/** The commands, their options and their help. Commands are loaded when they run: `run` must start fast. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { outliveReaders } from '../broken-pipe.ts';
import type { Supervisor } from '../supervisor.ts';
import { defineCheckpointCommands } from './checkpoint-program.ts';
import { describeError, errorDocument, exitCodeOf, paintErr, printErr, printJson } from './output.ts';
import { collectDefinition, type RunFlags, usage } from './run-options.ts';

/**
 * Runs one command.
 *
 * @param ahead  a supervisor that was forked before the arguments were read
 * @returns      the exit code: 0 done, 1 the job failed, 2 usage or configuration, 3 cannot be restored, 128 + n signal n
 */
export async function main(args: readonly string[], ahead?: Supervisor): Promise<number> {
  outliveReaders();
  let exitCode = 0;
  const program = buildProgram(ahead, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    ahead?.kill();
    // Help and version that were asked for end with 0; everything else of commander's is usage.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const shown = error instanceof CommanderError ? usage(error.message.replace(/^error: /, '').replace(/\.$/, '')) : error;
    printErr(describeError(shown, paintErr));
    if (error instanceof CommanderError) printErr(`\`tidemark ${commandOf(program, args)}--help\` shows how it is used.`);
    if (args.includes('--json')) printJson({ error: errorDocument(shown) });
    return exitCodeOf(shown);
  }
}

function commandOf(program: Command, args: readonly string[]): string {
  return program.commands.some((command) => command.name() === args[0]) ? `${args[0]} ` : '';
}

function buildProgram(ahead: Supervisor | undefined, setExitCode: (code: number) => void): Command {
  const program = new Command('tidemark');
  program
    .description('Runs stateful, CPU-heavy jobs on every core of this machine, with checkpoints that survive kill -9.')
    .version(packageVersion(), '-V, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', PROGRAM_HELP);
  const command = (nameAndArguments: string, on: Command = program): Command =>
    on
      .command(nameAndArguments)
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
      .option('--json', 'one JSON document on standard output');

  defineRun(command('run').passThroughOptions(), ahead, setExitCode);
  defineJobCommands(command, setExitCode);
  defineCheckpointCommands(command, setExitCode);
  command('bench')
    .description('Runs a benchmark; without a name, lists them.')
    .argument('[name]')
    .argument('[args...]', 'what the benchmark takes')
    .passThroughOptions()
    .action(async (name: string | undefined, args: string[], flags: { json?: boolean }) => {
      const { benchCommand } = await import('./bench.ts');
      setExitCode(await benchCommand(name, args, flags));
    });
  return program;
}

function defineRun(run: Command, ahead: Supervisor | undefined, setExitCode: (code: number) => void): void {
  run
    .description('Runs a job and stays until it has ended.')
    .argument('<job file>', 'module whose default export is a job; .ts works on every Node')
    .argument('[job args...]', "everything after the job file is the job's")
    .option('-s, --from-checkpoint <path>', 'start from this checkpoint or savepoint: its directory or its _metadata file')
    .option('-r, --resume', 'start from the newest complete checkpoint of this job; from the beginning if there is none')
    .option('--fallback', 'with --resume: pass over damaged checkpoints, saying what is lost')
    .option('-n, --allow-non-restored-state', 'start although the checkpoint holds state of operators that the job does not have')
    .option('--claim-mode <mode>', "no-claim (the checkpoint stays as it is) or claim (it becomes the job's own)")
    .option('-p, --parallelism <n>', 'subtasks of each operator that does not say otherwise')
    .option('-t, --threads <n>', 'threads of the pool')
    .option('-D, --define <key=value>', 'set an option; may be given many times', collectDefinition)
    .option('--config <file>', 'configuration file instead of tidemark.config.yaml')
    .option('--print-config', 'print every option with its value and origin, and do not run')
    .option('-d, --detached', 'return when the job runs, and print its id')
    .option('--cpu-prof', 'write a CPU profile of each thread when the job ends')
    .addOption(new Option('--job-id <id>').hideHelp())
    .addHelpText('after', RUN_HELP)
    .action(async (jobFile: string, jobArgs: string[], flags: RunFlags) => {
      const { runCommand } = await import('./run.ts');
      setExitCode(await runCommand(jobFile, jobArgs, flags, ahead));
    });
}

function defineJobCommands(command: (name: string) => Command, setExitCode: (code: number) => void): void {
  const wanted = ['<job>', 'job id, the beginning of one, or a name that only one running job has'] as const;
  command('list')
    .description('Lists the jobs that run.')
    .action(async (flags) => setExitCode(await (await import('./jobs.ts')).listCommand(flags)));
  command('cancel')
    .description("Ends a job at once. What happens to its checkpoints is the retention policy's.")
    .argument(...wanted)
    .action(async (job: string, flags) => setExitCode(await (await import('./jobs.ts')).cancelCommand(job, flags)));
  command('stop')
    .description('Ends a job with a last checkpoint, or a savepoint.')
    .argument(...wanted)
    .option('--savepoint-path <dir>', 'end with a savepoint in this directory; default execution.checkpointing.savepoint-dir')
    .addOption(savepointType())
    .option('--drain', 'end the input first, so that all results of the end come out; the job is not to be resumed from this')
    .action(async (job: string, flags) => setExitCode(await (await import('./jobs.ts')).stopCommand(job, flags)));
  command('checkpoint')
    .description('Takes a checkpoint of a running job now and waits until it is complete.')
    .argument(...wanted)
    .action(async (job: string, flags) => setExitCode(await (await import('./jobs.ts')).checkpointCommand(job, flags)));
  command('savepoint')
    .description('Takes a savepoint of a running job (self-contained, movable, never deleted by the runtime), or deletes one.')
    .argument('[job]', wanted[1])
    .argument('[dir]', 'where it goes; default execution.checkpointing.savepoint-dir')
    .addOption(savepointType())
    .option('-d, --dispose <path>', 'delete the savepoint at this path; no running job is needed')
    .action(async (job: string | undefined, directory: string | undefined, flags) => {
      if (flags.dispose !== undefined) {
        if (job !== undefined) throw usage(`\`--dispose\` takes the path of a savepoint and no job; it was given ${job} besides`);
        setExitCode((await import('./dispose.ts')).disposeCommand(flags.dispose, flags));
        return;
      }
      if (job === undefined) throw usage('`tidemark savepoint` needs a job, or --dispose and a path');
      setExitCode(await (await import('./jobs.ts')).savepointCommand(job, directory, flags));
    });
}

function savepointType(): Option {
  return new Option('--type <type>', 'canonical: independent of parallelism and history; native: the tables as they are').choices(
    ['canonical', 'native'],
  );
}

function packageVersion(): string {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

const PROGRAM_HELP = `
Examples:
  tidemark run word-count.ts books/*.txt      run a job; what follows the file is the job's
  tidemark run --resume word-count.ts         go on from its last checkpoint
  tidemark list                               what runs
  tidemark stop word-count                    end it with a last checkpoint
  tidemark checkpoints list ./checkpoints     what there is to resume from
  tidemark verify --deep ./checkpoints/<job id>/chk-7
  tidemark get ./checkpoints/<job id>/chk-7 counts accumulator user-7
  tidemark diff ./checkpoints/<job id>/chk-6 ./checkpoints/<job id>/chk-7

Exit codes: 0 done, 1 the job failed, 2 usage or configuration, 3 the checkpoint cannot be restored, 130 SIGINT, 143 SIGTERM.
Documents: docs/configuration.md (every option), docs/errors.md (every error code).
`;

const RUN_HELP = `
Checkpoints are off until an interval and a directory are set:
  tidemark run -D execution.checkpointing.interval=10s -D execution.checkpointing.dir=./checkpoints job.ts
or, for good, in tidemark.config.yaml:
  execution.checkpointing:
    interval: 10 s
    dir: ./checkpoints

Ctrl-C (SIGINT, SIGTERM) stops the job with a last checkpoint and says where it is; a second one ends it at once.
When its process dies, the job is resumed from the newest complete checkpoint, as restart-strategy.type says.
When this process is killed, the job ends with it; \`--resume\` goes on from the newest complete checkpoint.

Examples:
  tidemark run job.ts --input data/           --input data/ goes to the job
  tidemark run --resume -p 8 job.ts           go on, with 8 subtasks an operator
  tidemark run -s ./savepoints/savepoint-1a2b3c-4d5e job.ts
  tidemark run -d job.ts                      in the background; prints the job id
  tidemark run --json job.ts 2>/dev/null | tail -n 1 | jq .records
`;
