import { Command } from 'commander';
import { augmentArguments } from './arguments/augment.js';
import { classifyArguments } from './arguments/classify.js';
import { addExamples, type Run } from './arguments/command.js';
import { compareArguments } from './arguments/compare.js';
import { demoArguments } from './arguments/demo.js';
import { devicesArguments } from './arguments/devices.js';
import { evaluateArguments } from './arguments/evaluate.js';
import { exportArguments } from './arguments/export.js';
import { featuresArguments } from './arguments/features.js';
import { filtersArguments } from './arguments/filters.js';
import { listenToGiven, misspeltVariables, refuseUnusable } from './arguments/given.js';
import { importArguments } from './arguments/import.js';
import { kernelArguments } from './arguments/kernel.js';
import { prepareArguments } from './arguments/prepare.js';
import { reportArguments } from './arguments/report.js';
import { similarArguments } from './arguments/similar.js';
import { trainArguments } from './arguments/train.js';
import { describeFailure, oneLine } from './failure.js';
import { createOutput, type Streams } from './output.js';
import { version } from './version.js';

/**
 * Runs the command named by the arguments, and prints its output.
 *
 * @param args without the interpreter and the script
 * @param streams the streams for its output. Default: those of the process
 * @returns the exit code: 0 for success, 2 for wrong use, 1 for a failure, 130 after Ctrl-C
 */
export async function runCommandLine(args: readonly string[], streams: Streams = process): Promise<number> {
  let code = 0;
  const program = commandLine(streams, async (options, command) => {
    code = await command(createOutput(options, streams), args);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    const failure = describeFailure(error);
    if (failure.line !== undefined) {
      streams.stderr.write(`${failure.line}\n`);
      if (process.env['DEBUG'] === 'alex') console.error(error);
    }
    return failure.code;
  }
}

/** The commands in their usual order, under their headings in the help. */
const groups: readonly (readonly [heading: string, commands: readonly ((run: Run) => Command)[]])[] = [
  ['Getting started:', [demoArguments]],
  [
    'From images to a trained network:',
    [
      prepareArguments,
      augmentArguments,
      trainArguments,
      evaluateArguments,
      classifyArguments,
      reportArguments,
      compareArguments,
    ],
  ],
  ['What a network sees:', [filtersArguments, similarArguments, featuresArguments]],
  ['Other programs:', [exportArguments, importArguments]],
  ['Adapters and kernels:', [devicesArguments, kernelArguments]],
];

function commandLine({ stdout, stderr }: Streams, run: Run): Command {
  const program = new Command('alexnet')
    .description('Trains, evaluates and uses AlexNet, the network of the 2012 paper, on WebGPU.')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help; alexnet COMMAND --help shows the options of a command')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(`${oneLine(text)}\n`),
    });
  const unused = new Map<Command, () => string[]>();
  for (const [heading, commands] of groups) {
    for (const make of commands) {
      const command = make(run).helpGroup(heading).copyInheritedSettings(program);
      unused.set(command, listenToGiven(command));
      program.addCommand(command);
    }
  }
  // Before the commands' own hooks, which check for required options.
  program.hook('preAction', (_, command) => {
    refuseUnusable(command);
    const { line } = createOutput(command.opts(), { stdout, stderr });
    for (const sentence of [...misspeltVariables(process.env), ...(unused.get(command)?.() ?? [])]) line(sentence);
  });
  addExamples(
    program,
    'demo',
    'prepare --source folder --from my-images --to data/mine',
    'train --model small --data data/mine --run runs/mine --epochs 20',
    'evaluate --run runs/mine',
    'classify cat.jpg --run runs/mine',
  );
  return program.addHelpText(
    'after',
    '\nExit codes: 0 success, 1 failure, 2 wrong use; stopped by a signal after saving: 128 plus its number (130 Ctrl-C, 143 SIGTERM).',
  );
}
