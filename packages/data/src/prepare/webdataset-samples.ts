import { DataError } from '@alex/tensor';
import { isHidden } from '../files.js';
import { imageEndings } from '../image-file.js';
import { leftOut, type Remarks, type RemarkWords } from '../remarks.js';
import { textOf } from '../text.js';
import type { Place } from './source.js';
import { type Bytes, type TarMember, tarMembers, withFile } from './tar.js';

/** An image with its label: a number, or the name of its class. */
export interface Sample extends Place {
  /** Its path within the data set: that of the shard, and its own within that. */
  readonly name: string;
  /** Its path within the shard without its extensions. */
  readonly key: string;
  readonly label: number | string;
}

/** The samples of some shards, and the extensions that were found, in case there are none. */
export interface Samples {
  readonly samples: Sample[];
  readonly endings: Set<string>;
}

/** The files of a sample, distinguished by everything after the first dot of their names. */
type Fields = Map<string, TarMember>;

/** Fields of a sample's JSON that may contain its label, in order of preference. */
const labelFields = 'label cls class class_id class_index class_name label_name target category synset wnid'.split(' ');
/** Those that mean what `KEY.cls` means. */
const sureFields = ['label', 'cls'];
/** Larger than any label or description. */
const mostLabelBytes = 2 ** 22;

const isSystems = (path: string) => path.split('/').some((name) => name !== '.' && isHidden(name));

const empty: RemarkWords = (count, first) =>
  count === 1
    ? `1 shard contains no samples: ${first}.`
    : `${count.toLocaleString('en-US')} shards contain no samples, for example ${first}.`;
const hidden: RemarkWords = (count, first) => `${leftOut(count, 'hidden file', 'hidden files', first)}.`;
const nameless: RemarkWords = (count, first) =>
  `${leftOut(count, 'file without an extension', 'files without an extension', first)}.`;
const withoutImage: RemarkWords = (count, first) =>
  `${leftOut(count, 'sample without an image', 'samples without an image', first)}.`;
const withoutLabel: RemarkWords = (count, first) =>
  `${leftOut(count, 'sample without a label', 'samples without a label', first)}.`;

/**
 * Reads the samples of a shard: files whose paths agree up to the first dot of their names, as in the library
 * webdataset. A sample is an image (`KEY.jpg`) and its label, `KEY.cls` (a number or a name) or a field of `KEY.json`.
 *
 * @param path path of the archive, @param name its name in errors
 * @throws DataError if it is damaged, or a sample has a file twice, several images, or an invalid label.
 */
export function readSamples(path: string, name: string, found: Samples, remarks: Remarks): void {
  withFile(path, (file) => {
    const bytes: Bytes = { ...file, name };
    const byKey = new Map<string, Fields>();
    // Many programs that write shards omit the end of an archive.
    for (const member of tarMembers(bytes, { endOptional: true })) {
      const [, key, ending] = /^((?:.*\/)?[^./]+)\.([^/]*)$/.exec(member.name) ?? [];
      if (key === undefined || ending === undefined || isSystems(member.name)) {
        remarks.add(isSystems(member.name) ? hidden : nameless, `${name}/${member.name}`);
        continue;
      }
      const fields = byKey.get(key) ?? new Map<string, TarMember>();
      if (fields.has(ending.toLowerCase())) {
        throw new DataError(`${name} contains ${member.name} twice: create the shard again`);
      }
      fields.set(ending.toLowerCase(), member);
      byKey.set(key, fields);
    }
    if (byKey.size === 0) remarks.add(empty, name);
    for (const [key, fields] of byKey) {
      for (const ending of fields.keys()) found.endings.add(ending);
      const image = imageOf(`${name}/${key}`, fields);
      if (!image) {
        remarks.add(withoutImage, `${name}/${key}`);
        continue;
      }
      const label = labelOf(bytes, fields);
      if (label === undefined) {
        remarks.add(withoutLabel, `${name}/${key}`);
        continue;
      }
      const { offset, length } = image;
      found.samples.push({ name: `${name}/${image.name}`, key, label, file: path, offset, length });
    }
  });
}

const lastPart = (ending: string) => ending.slice(ending.lastIndexOf('.') + 1);

/** `KEY.jpg` is preferred to `KEY.seg.png`, which may be an annotation. */
function imageOf(sample: string, fields: Fields): TarMember | undefined {
  const all = [...fields.keys()].filter((ending) => imageEndings.includes(`.${lastPart(ending)}`));
  const plain = all.filter((ending) => !ending.includes('.'));
  const candidates = plain.length > 0 ? plain : all;
  if (candidates.length > 1) {
    throw new DataError(
      `${sample} has ${candidates.length} images (${candidates.join(', ')}): a sample must have one, and its key ends at the first dot of its name`,
    );
  }
  return candidates[0] === undefined ? undefined : fields.get(candidates[0]);
}

function labelOf(bytes: Bytes, fields: Fields): number | string | undefined {
  const find = (kind: string) => fields.get(kind) ?? [...fields].find(([ending]) => ending.endsWith(`.${kind}`))?.[1];
  const [cls, json] = [find('cls'), find('json')];
  if (cls) {
    const label = inWords(read(bytes, cls).trim());
    if (label === '') {
      throw new DataError(`${bytes.name}: ${cls.name} is empty: it must contain a class, as a number or a name`);
    }
    const other = json && labelAmong(sureFields, parsed(bytes, json));
    // A number there may stand for a name here.
    if (other !== undefined && typeof other === typeof label && other !== label) {
      throw new DataError(
        `${bytes.name}: the label is ${label} in ${cls.name}, but ${other} in ${json!.name}: create the shard again, with one of them`,
      );
    }
    return label;
  }
  if (!json) return undefined;
  const description = parsed(bytes, json);
  if (description === undefined) {
    throw new DataError(`${bytes.name}: ${json.name} is not JSON: create the shard again`);
  }
  return labelAmong(labelFields, description);
}

function labelAmong(fields: readonly string[], description: unknown): number | string | undefined {
  const known: Readonly<Record<string, unknown>> =
    typeof description === 'object' && description !== null ? { ...description } : {};
  for (const field of fields) {
    const label = known[field];
    if (typeof label === 'number' && Number.isSafeInteger(label) && label >= 0) return label;
    if (typeof label === 'string' && label.trim() !== '') return inWords(label.trim());
  }
  return undefined;
}

/** What a JSON file describes; undefined if it is not JSON. */
function parsed(bytes: Bytes, json: TarMember): unknown {
  const text = read(bytes, json);
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A number if the text is one, else its composed form. */
function inWords(text: string): number | string {
  return /^\d+(\.0+)?$/.test(text) ? Number(text) : text.normalize('NFC');
}

function read(bytes: Bytes, { name, offset, length }: TarMember): string {
  if (length > mostLabelBytes) throw new DataError(`${bytes.name}: ${name} is too long for a label`);
  const content = new Uint8Array(length);
  bytes.read(content, offset);
  return textOf(content);
}
