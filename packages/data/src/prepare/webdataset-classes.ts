import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { distinctNames, namesOfLines } from '../class-names.js';
import { readTextIfPresent } from '../files.js';
import { someOf } from '../remarks.js';
import type { SourceClass } from './source.js';
import type { Sample } from './webdataset-samples.js';

/** Lists of class names that may be next to the shards. */
const nameFiles = ['classes.txt', 'labels.txt', 'classnames.txt', 'synset_words.txt'];
/** The largest label; larger numbers mean something else, such as the index of the image. */
const mostClasses = 100_000;

/** The classes of labelled samples, and the number of each class by its label. */
export interface LabelledClasses {
  readonly classes: readonly SourceClass[];
  readonly numberOf: ReadonlyMap<number | string, number>;
  readonly remarks: readonly string[];
}

/**
 * The classes of labelled samples. Labels that are numbers are kept. Labels that are names are numbered in their order,
 * or in that of a list of names (`classes.txt`, `labels.txt`) next to the shards.
 *
 * @throws DataError if labels are of both kinds, there are fewer than two, or the list does not fit them.
 */
export async function classesOf(directory: string, samples: readonly Sample[]): Promise<LabelledClasses> {
  const labels = [...new Set(samples.map(({ label }) => label))];
  const numbers = labels.filter((label) => typeof label === 'number');
  const names = labels.filter((label) => typeof label === 'string');
  if (numbers.length > 0 && names.length > 0) {
    const first = (kind: string) => samples.find(({ label }) => typeof label === kind)!;
    const [number, name] = [first('number'), first('string')];
    throw new DataError(
      `${number.name} has the label ${number.label}, ${name.name} the label ${name.label}: all must be numbers, or all names`,
    );
  }
  if (labels.length < 2) {
    throw new DataError(`${directory}: all samples have the label ${labels[0]}: at least two classes are needed`);
  }
  const list = await findList(directory);
  return numbers.length > 0 ? numbered(directory, numbers, list) : named(names, list);
}

interface List {
  readonly file: string;
  readonly text: string;
  readonly lines: readonly string[];
}

async function findList(directory: string): Promise<List | undefined> {
  for (const file of nameFiles) {
    const text = await readTextIfPresent(join(directory, file));
    if (text === undefined) continue;
    const lines = text.split(/\r?\n/).map((line) => line.normalize('NFC'));
    // Empty lines at the end are not classes.
    return { file, text, lines: lines.slice(0, lines.findLastIndex((line) => line.trim() !== '') + 1) };
  }
  return undefined;
}

function numbered(directory: string, numbers: readonly number[], list: List | undefined): LabelledClasses {
  const highest = numbers.reduce((a, b) => Math.max(a, b));
  if (highest >= mostClasses) {
    throw new DataError(
      `${directory}: a label is ${highest}, so labels do not seem to be class numbers: number classes from 0`,
    );
  }
  if (list && highest >= list.lines.length) {
    throw new DataError(
      `${join(directory, list.file)} names ${list.lines.length} classes, but a label is ${highest}: labels count from 0, add the missing names`,
    );
  }
  const ids = Array.from({ length: list?.lines.length ?? highest + 1 }, (_, number) => `${number}`);
  const readable = distinctNames(ids, (id) => nameOfLine(list?.lines[Number(id)] ?? '', id));
  const there = new Set(numbers);
  const empty = ids.filter((id) => !there.has(Number(id)));
  return {
    classes: ids.map((id, label) => ({ id, name: readable[label]! })),
    numberOf: new Map(ids.map((id) => [Number(id), Number(id)])),
    remarks: [
      ...(list ? [] : ['There is no classes.txt, so the classes are named by their numbers.']),
      ...(empty.length > 0
        ? [`${empty.length === 1 ? '1 class has' : `${empty.length} classes have`} no images: ${someOf(empty)}.`]
        : []),
    ],
  };
}

/** A line may begin with its own number: `7 horse`, `7,horse`, `7: horse`. */
function nameOfLine(line: string, id: string): string {
  const [, number, name] = /^\s*(\d+)[\s,:]+(.*\S)\s*$/.exec(line) ?? [];
  return (number === id ? name : line.trimEnd()) || id;
}

function named(names: readonly string[], list: List | undefined): LabelledClasses {
  const order = new Map(list?.lines.map((line, i) => [line.trim(), i]));
  // A list of the labels themselves numbers them; any other list gives them readable names.
  const isOrder = names.every((name) => order.has(name));
  const ids = isOrder
    ? names.toSorted((a, b) => order.get(a)! - order.get(b)!)
    : names.toSorted((a, b) => (a < b ? -1 : 1));
  const known = list && !isOrder ? namesOfLines(list.text, new Set(ids)) : new Map<string, string>();
  const readable = distinctNames(ids, (id) => known.get(id) ?? id);
  return {
    classes: ids.map((id, label) => ({ id, name: readable[label]! })),
    numberOf: new Map(ids.map((id, label) => [id, label])),
    remarks: list && !isOrder && known.size === 0 ? [`${list.file} has none of the classes.`] : [],
  };
}
