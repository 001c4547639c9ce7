import { Command, type Option } from 'commander';
import { alexnetCommand } from '../invocation.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';

/** The action of a command, with the output that its options ask for; `words` are the words that the user typed. */
export type Run = (
  options: CommonOptions,
  command: (output: Output, words: readonly string[]) => Promise<number>,
) => Promise<void>;

/** Creates a command; its options are listed under the headings given by `optionsGroup`. */
export function newCommand(name: string, description: string): Command {
  return new Command(name).description(description).helpOption('-h, --help', 'show this help').optionsGroup('Options:');
}

/**
 * Adds required options. Commander reports its own mandatory options before misspelt ones: `--rn runs/a` would get the
 * error that `--run` is missing.
 */
export function addRequired(command: Command, ...options: readonly Option[]): Command {
  for (const option of options) {
    option.description += ' (required)';
    command.addOption(option);
  }
  return command.hook('preAction', () => {
    const missing = options.find((option) => command.getOptionValue(option.attributeName()) === undefined);
    if (missing) command.error(`error: required option '${missing.flags}' not specified`);
  });
}

/** Adds lines for copying to the end of a command's help. */
export function addExamples(command: Command, ...lines: readonly string[]): Command {
  const examples = () => lines.map((line) => `  ${alexnetCommand(line.split(' '))}`).join('\n');
  return command.addHelpText('after', () => `\nExamples:\n${examples()}`);
}
