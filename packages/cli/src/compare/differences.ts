import type { RunRecord } from '../report/run-record.js';

/** A setting in which runs differ: the value of each run, in their order; undefined for a run without it. */
export interface Difference {
  /** Dotted, as in `config.json`; or `trained by` and the like, for facts from elsewhere. */
  readonly setting: string;
  readonly values: readonly unknown[];
}

/** Everything in which runs differ: network, data, images, recipe, and provenance. */
export function differencesBetween(records: readonly RunRecord[]): Difference[] {
  const settings = records.map(settingsOf);
  const names = [...new Set(settings.flatMap((each) => [...each.keys()]))];
  return names.flatMap((setting) => {
    const values = settings.map((each) => each.get(setting));
    const [first, ...rest] = values.map((value) => JSON.stringify(value));
    return rest.every((value) => value === first) ? [] : [{ setting, values }];
  });
}

function settingsOf({ config, stretches }: RunRecord): Map<string, unknown> {
  const settings = new Map<string, unknown>();
  const { model, data, images, recipe } = config;
  add(settings, 'model', model);
  const { meanImage, ...otherImages } = images;
  add(settings, 'data', data);
  add(settings, 'images', { ...otherImages, subtracts: meanImage === undefined ? 'mean colour' : 'mean image' });
  // Settings that follow from the version that started the run are filled in, as if they had been written down.
  add(settings, 'recipe', { precision: 'float32', microBatch: recipe.batch, ...recipe });
  if (stretches.length > 0) {
    const list = (of: (stretch: RunRecord['stretches'][number]) => readonly string[]) => [
      ...new Set(stretches.flatMap(of)),
    ];
    settings.set(
      'version',
      list(({ version }) => [version]),
    );
    settings.set(
      'adapters',
      list(({ adapters, strategy }) => [
        adapters.map(({ name }) => name).join(' and ') + (strategy === undefined ? '' : ` (${strategy})`),
      ]),
    );
    settings.set(
      'drivers',
      list(({ adapters }) => adapters.map(({ driver }) => driver)),
    );
    settings.set(
      'node',
      list(({ machine }) => [machine.node]),
    );
    settings.set(
      'machine',
      list(({ machine }) => [`${machine.processor}, ${machine.cores} cores, ${machine.platform}`]),
    );
  }
  return settings;
}

/** Objects field by field; lists as a whole. */
function add(settings: Map<string, unknown>, name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [field, inner] of Object.entries(value)) add(settings, `${name}.${field}`, inner);
  } else if (value !== undefined) settings.set(name, value);
}

/** In longer values, the difference is hard to see. */
const longest = 72;

/** A value for a table; long ones are truncated after the first difference from the others. */
export function valueInWords(value: unknown, others: readonly unknown[]): string {
  if (value === undefined) return '—';
  const text = textOf(value);
  if (text.length <= longest) return text;
  const same = Math.min(
    ...others.map((other) => commonStart(text, textOf(other))).filter((length) => length < text.length),
    text.length,
  );
  const from = Math.max(0, same - longest / 2);
  return `${from > 0 ? '…' : ''}${text.slice(from, from + longest)}${from + longest < text.length ? '…' : ''}`;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string'))
    return value.join(', ');
  return JSON.stringify(value) ?? '—';
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
