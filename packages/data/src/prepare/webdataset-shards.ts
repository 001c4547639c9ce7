import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { expand } from 'brace-expansion';
import { filesAndLinks, isAddress, listFolder } from '../files.js';
import { type Remarks, someOf } from '../remarks.js';
import { otherNames, trainingNames, validationNames } from '../split-folders.js';

/** An archive of samples. */
export interface ShardFile {
  readonly path: string;
  /** Its path within the data set, with `/` on every system. */
  readonly name: string;
}

/** The shards of a data set, by purpose. */
export interface ShardFiles {
  /** Their folder. */
  readonly directory: string;
  readonly train: readonly ShardFile[];
  readonly validation: readonly ShardFile[];
  /** Shards called test or dev, which replace validation shards if there are no others and they have labels. */
  readonly others: readonly ShardFile[];
}

/** Names of archives of samples. */
export const shardName = /\.(tar|tar\.gz|tgz)$/i;

/**
 * Finds shards: those of a folder and its subfolders, a single one, or all that match a pattern with braces
 * (`train-{000000..000099}.tar`). Their purpose is given by `train`, `val` and so on in their names or else in those of
 * their folders. If none is called `train`, those without a purpose are for training.
 *
 * @throws DataError if there are none for training, or one that the pattern names is missing.
 */
export async function findShards(from: string, remarks: Remarks): Promise<ShardFiles> {
  const { directory, shards } = await listShards(from);
  const groups = new Map<Purpose, ShardFile[]>();
  for (const shard of shards) {
    const purpose = purposeOf(shard.name);
    groups.set(purpose, [...(groups.get(purpose) ?? []), shard]);
  }
  const of = (purpose: Purpose) => groups.get(purpose) ?? [];
  const named = of('train').length > 0;
  const train = named ? of('train') : of('unnamed');
  if (train.length === 0) {
    const found = shards.length === 0 ? 'no shards (*.tar)' : `shards like ${shards[0]!.name}, but no training shards`;
    throw new DataError(`${from} has ${found}: give a folder with shards like train-000000.tar and val-000000.tar`);
  }
  if (named && of('unnamed').length > 0) {
    remarks.say(`Shards named neither train nor val are skipped: ${someOf(of('unnamed').map(nameOf))}.`);
  }
  const missing = gaps(shards.map(nameOf));
  if (missing.length > 0) remarks.say(`Some of the numbered shards are missing: ${someOf(missing)}.`);
  return { directory, train, validation: of('validation'), others: of('other') };
}

const nameOf = ({ name }: ShardFile) => name;

async function listShards(from: string): Promise<{ directory: string; shards: ShardFile[] }> {
  const kind = await stat(from).catch(() => undefined);
  if (kind?.isFile()) return { directory: dirname(from), shards: [{ path: from, name: basename(from) }] };
  // A folder may have braces in its name, so only a name that does not exist is a pattern.
  if (!kind && from.includes('{') && !isAddress(from)) return listPattern(from);
  const content = await listFolder(from);
  const shards = filesAndLinks(content).filter((file) => shardName.test(file));
  for (const folder of content.folders) {
    const inner = filesAndLinks(await listFolder(join(from, folder)));
    shards.push(...inner.filter((file) => shardName.test(file)).map((file) => `${folder}/${file}`));
  }
  return { directory: from, shards: shards.map((name) => ({ path: join(from, name), name })) };
}

async function listPattern(from: string): Promise<{ directory: string; shards: ShardFile[] }> {
  const paths = expand(from);
  for (const path of paths) {
    if ((await stat(path).catch(() => undefined))?.isFile()) continue;
    throw new DataError(`there is no file ${path}, one of the ${paths.length} of ${from}: check the path`);
  }
  const before = from.slice(0, from.indexOf('{'));
  const directory = dirname(`${before}x`);
  const within = resolve(directory).length + 1;
  return {
    directory,
    shards: paths.map((path) => ({ path, name: resolve(path).slice(within).replaceAll('\\', '/') })),
  };
}

type Purpose = 'train' | 'validation' | 'other' | 'unnamed';

/** By words in the file's own name or else in that of its folder. */
function purposeOf(shard: string): Purpose {
  for (const part of shard.split('/').reverse()) {
    const words = part.toLowerCase().split(/[^a-z]+/);
    if (words.some((word) => trainingNames.includes(word))) return 'train';
    if (words.some((word) => validationNames.includes(word))) return 'validation';
    if (words.some((word) => otherNames.includes(word))) return 'other';
  }
  return 'unnamed';
}

/** Names missing between the first and the last number of each kind of name. */
function gaps(names: readonly string[]): string[] {
  const kinds = new Map<string, Set<string>>();
  for (const name of names) {
    const [, before, digits, after] = /^(.*?)(\d+)(\D*)$/.exec(name) ?? [];
    if (digits === undefined) continue;
    const kind = `${before}\0${after}`;
    kinds.set(kind, (kinds.get(kind) ?? new Set()).add(digits));
  }
  return [...kinds].flatMap(([kind, digits]) => {
    const [before, after] = kind.split('\0') as [string, string];
    const numbers = [...digits].map(Number);
    const width = Math.min(...[...digits].map((text) => text.length));
    const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
    // Numbers that are far apart are something else, such as a date.
    if (last - first > 10 * numbers.length) return [];
    const there = new Set(numbers);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
      .filter((number) => !there.has(number))
      .map((number) => `${before}${String(number).padStart(width, '0')}${after}`);
  });
}
