import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DataError } from '@alex/tensor';
import { extract } from 'tar-stream';
import { filesAndLinks, listFolder, readWhole, reason } from '../files.js';
import { textOf } from '../text.js';
import { type MatValue, readMatFile } from './mat-file.js';
import { readingStreams } from './plain-archive.js';

/** The contents of ImageNet's development kit. */
export interface DevelopmentKit {
  /** WordNet id and names (`tench, Tinca tinca`) of each class by the kit's own number. */
  readonly classes: ReadonlyMap<number, { readonly wnid: string; readonly names: string }>;
  /** For each validation image, in order of their names, the number of its class. */
  readonly groundTruth: readonly number[];
  /** Name of the file with these numbers. */
  readonly groundTruthFile: string;
  /** The contest that it belongs to, if its files say so. */
  readonly contest?: Contest;
}

/** A year with its own classes. Those of 2012 were used by all later contests. */
export type Contest = 2010 | 2011 | 2012;

/** The contest of a file by the year in its name, such as `ILSVRC2012_img_val.tar`. */
export function contestOf(name: string): Contest | undefined {
  const year = /ILSVRC(20\d\d)/.exec(name)?.[1];
  return year === undefined ? undefined : (Math.max(2010, Math.min(2012, Number(year))) as Contest);
}

const wanted = {
  meta: /^meta(_clsloc)?\.mat$/,
  map: /^map_clsloc\.txt$/,
  words: /^synset_words\.txt$/,
  groundTruth: /^(ILSVRC\d+_)?(clsloc_)?validation_ground_truth\.txt$/,
};
type Part = keyof typeof wanted;
/** A file of a kit, and its location. */
interface Found {
  readonly file: string;
  readonly content: Buffer;
}
type Parts = Partial<Record<Part, Found>>;

/** Some browsers unpack what they download, and leave `.tar`. */
const kitName = /devkit.*\.(tar|tar\.gz|tgz)$/i;

/** Whether a file is a packed kit, by its name. */
export const isKit = (file: string) => kitName.test(file);

const remedy = 'put ILSVRC2012_devkit_t12.tar.gz (or that of 2010) next to the images, packed or unpacked';
/** The largest file of a kit that is read here has less than one MB. */
const mostBytes = 2 ** 26;

/**
 * Reads the development kit in a folder: the official archive, the unpacked kit, or only its files.
 *
 * @throws DataError if a part is missing or damaged.
 */
export async function readDevelopmentKit(folder: string): Promise<DevelopmentKit> {
  const parts = { ...(await packedKit(folder)), ...(await unpackedKit(folder)) };
  const { groundTruth, meta, map, words } = parts;
  if (!groundTruth) throw new DataError(`${folder} has no ILSVRC2012_validation_ground_truth.txt: ${remedy}`);
  const mapping = meta
    ? fromMeta(meta.file, readMatFile(meta.file, meta.content))
    : // All contests with such a file number the classes of 2012.
      map && { classes: fromLines(map), contest: 2012 as const };
  if (!mapping) {
    // Its lines are in order of the ids, but the kit's numbers are not.
    const other = words ? ', and synset_words.txt has another order' : '';
    throw new DataError(`${folder} has no meta.mat with the meaning of the ground truth's numbers${other}: ${remedy}`);
  }
  const contest = contestOf(basename(groundTruth.file));
  if (contest !== undefined && mapping.contest !== undefined && contest !== mapping.contest) {
    throw new DataError(
      `${groundTruth.file} is of ${contest}, ${(meta ?? map)!.file} of ${mapping.contest}, and their numbers differ: ` +
        'keep the development kit of one contest',
    );
  }
  const both = contest ?? mapping.contest;
  return {
    classes: words ? namedBy(mapping.classes, textOf(words.content)) : mapping.classes,
    groundTruth: readNumbers(groundTruth, mapping.classes),
    groundTruthFile: groundTruth.file,
    ...(both !== undefined && { contest: both }),
  };
}

/** The files in the folder, in a kit's folder within it, and in the kit's `data` folder. */
async function unpackedKit(folder: string): Promise<Parts> {
  const parts: Parts = {};
  const visit = async (path: string, depth: number): Promise<void> => {
    const content = await listFolder(path);
    for (const file of filesAndLinks(content)) {
      const part = partOf(file);
      if (part) parts[part] = { file: join(path, file), content: await readWhole(join(path, file), remedy) };
    }
    for (const inner of [...content.folders, ...content.deadLinks]) {
      if (depth < 2 && /devkit|^data$/i.test(inner)) await visit(join(path, inner), depth + 1);
    }
  };
  await visit(folder, 0);
  return parts;
}

async function packedKit(folder: string): Promise<Parts> {
  const archive = filesAndLinks(await listFolder(folder)).find(isKit);
  if (archive === undefined) return {};
  const path = join(folder, archive);
  const parts: Parts = {};
  const unpacked = extract();
  const reading = pipeline([...(await readingStreams(path)), unpacked]);
  // Awaited below; until then its failure must not count as unhandled.
  reading.catch(() => {});
  try {
    for await (const entry of unpacked) {
      const part = entry.header.type === 'file' ? partOf(basename(entry.header.name)) : undefined;
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of entry) {
        length += (chunk as Buffer).length;
        if (part && length > mostBytes) throw new DataError(`${entry.header.name} is too long for a kit`);
        if (part) chunks.push(chunk as Buffer);
      }
      if (part) parts[part] = { file: `${path}: ${entry.header.name}`, content: Buffer.concat(chunks) };
    }
    await reading;
  } catch (error) {
    throw new DataError(`${path} cannot be unpacked: ${reason(error)}; get it again`, { cause: error });
  }
  return parts;
}

const partOf = (file: string) => (Object.keys(wanted) as Part[]).find((part) => wanted[part].test(file));

type Mapping = Pick<DevelopmentKit, 'classes' | 'contest'>;

function fromMeta(file: string, variables: Record<string, MatValue>): Mapping {
  let contest: Contest | undefined;
  const classes = new Map<number, { wnid: string; names: string }>();
  const synsets = Array.isArray(variables['synsets']) ? variables['synsets'] : [];
  for (const synset of synsets as Record<string, MatValue>[]) {
    const idField = Object.keys(synset).find((field) => /^ILSVRC\d+_ID$/.test(field));
    const id = idField && (synset[idField] as readonly number[])[0];
    const { WNID: wnid, words, num_children: children } = synset;
    if (typeof id !== 'number' || typeof wnid !== 'string' || typeof words !== 'string') {
      throw new DataError(`${file}: a record of \`synsets\` lacks its ILSVRC2012_ID, WNID or words: get the kit again`);
    }
    contest = contestOf(idField!);
    // Entries with children are groups of classes, which label no images.
    if (Array.isArray(children) && (children[0] as number) > 0) continue;
    classes.set(id, { wnid, names: words });
  }
  if (classes.size === 0) throw new DataError(`${file} contains no \`synsets\`: get the kit again`);
  return { classes, ...(contest !== undefined && { contest }) };
}

/** Lines of wnid, number and names. */
function fromLines({ file, content }: Found): DevelopmentKit['classes'] {
  const classes = new Map<number, { wnid: string; names: string }>();
  for (const [i, line] of textOf(content).split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, wnid, number, names] = /^(n\d+)\s+(\d+)\s+(\S.*)$/.exec(line.trim()) ?? [];
    if (wnid === undefined || names === undefined) {
      throw new DataError(`${file}, line ${i + 1}: \`${line.trim().slice(0, 60)}\` names no class: get the kit again`);
    }
    classes.set(Number(number), { wnid, names: names.replaceAll('_', ' ') });
  }
  return classes;
}

function namedBy(classes: DevelopmentKit['classes'], words: string): DevelopmentKit['classes'] {
  const names = new Map(words.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.trim()]));
  return new Map(
    [...classes].map(([id, known]) => {
      const line = names.get(known.wnid);
      return [id, line ? { ...known, names: line.slice(known.wnid.length).trim() } : known];
    }),
  );
}

function readNumbers({ file, content }: Found, classes: DevelopmentKit['classes']): readonly number[] {
  const lines = textOf(content).trimEnd().split('\n');
  return lines.map((line, i) => {
    const number = /^\s*\d+\s*$/.test(line) ? Number(line) : Number.NaN;
    if (!classes.has(number)) {
      throw new DataError(
        `${file}, line ${i + 1}: \`${line.trim().slice(0, 40)}\` is not a class of the kit: get the kit again`,
      );
    }
    return number;
  });
}
