import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RemakingStep } from '@alex/report';
import { type RunConfig, tuningsOfRun } from '@alex/trainer';
import { alexnetCommand } from '../invocation.js';
import type { RunRecord } from './run-record.js';

/** The commands that reproduce a run, and evaluate it. */
export async function remakingOf({ path, config, stretches }: RunRecord): Promise<RemakingStep[]> {
  const again = `${path}-again`;
  const prepared = await preparation(config.data.source);
  const versions = [...new Set(stretches.map(({ version }) => version))];
  const ofVersion = versions.length === 0 ? '' : `, by @alex/cli ${versions.join(' and ')}`;
  return [
    ...(prepared ? [prepared] : []),
    ...(stretches.length > 0
      ? [
          {
            what: `As it was trained${ofVersion}:`,
            lines: stretches.map(({ command }) => alexnetCommand(command)),
          },
        ]
      : []),
    {
      what: 'From its configuration, with the same images in the same order, crops, initial weights and dropout; on the same adapter and driver, the result has the same bits:',
      lines: [...(await copies(path, again)), alexnetCommand(['train', '--run', again, '--resume'])],
    },
    {
      what: 'Its errors, with one view and with ten as in the paper, and this report:',
      lines: [
        alexnetCommand(['evaluate', '--run', path]),
        alexnetCommand(['evaluate', '--run', path, '--views', '10']),
        alexnetCommand(['report', '--run', path]),
      ],
    },
    { what: 'The configuration (config.json)', lines: [configText(config)], folded: true },
  ];
}

/** A run continues from a directory that holds its configuration, and the kernels that were chosen for it. */
async function copies(path: string, again: string): Promise<string[]> {
  const hasTunings = await access(tuningsOfRun(path)).then(
    () => true,
    () => false,
  );
  const files = ['config.json', ...(hasTunings ? ['tunings.json'] : [])].map((name) => join(path, name));
  // Words that a shell needs quoted are quoted as in any other command.
  const line = (...words: string[]) => alexnetCommand(words).slice(alexnetCommand([]).length).trim();
  return process.platform === 'win32'
    ? [line('mkdir', again), ...files.map((file) => line('copy', file, again))]
    : [line('mkdir', '-p', again), line('cp', ...files, again)];
}

/** How prepared data were made; undefined if the folder no longer exists, or was not prepared. */
async function preparation(source: string): Promise<RemakingStep | undefined> {
  try {
    const { source: origin, preprocessing } = JSON.parse(await readFile(join(source, 'dataset.json'), 'utf8'));
    const words = ['prepare', '--source', String(origin.kind), '--from', 'DOWNLOADS', '--to', source];
    return {
      what: `The images, prepared from ${origin.from.join(', ')}:`,
      lines: [alexnetCommand([...words, '--size', String(preprocessing.size)])],
    };
  } catch {
    return undefined;
  }
}

/** Longer texts and lists are mean images and names of classes: only their length is shown. */
const longest = { text: 2000, list: 60 };

function configText(config: RunConfig): string {
  const shortened = (_: string, value: unknown) => {
    if (typeof value === 'string' && value.length > longest.text) return `(${value.length} characters)`;
    return Array.isArray(value) && value.length > longest.list ? `(${value.length} values)` : value;
  };
  // Lists on one line each.
  return JSON.stringify(config, shortened, 2).replace(
    /\[\s+([^[\]{}]*?)\s+\]/g,
    (_, list: string) => `[${list.replace(/\n\s*/g, ' ')}]`,
  );
}
