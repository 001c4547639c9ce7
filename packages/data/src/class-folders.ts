import { extname, join } from 'node:path';
import { type FolderContent, listFolder } from './files.js';
import { beginsAsImage, imageEndings } from './image-file.js';
import { leftOut, type Remarks, type RemarkWords } from './remarks.js';

const remedyForEndings = 'images must be JPEG, PNG, WebP, GIF, TIFF or AVIF';

const hidden: RemarkWords = (count, first) =>
  `${leftOut(count, 'hidden file or folder', 'hidden files and folders', first)}.`;
const notUtf8: RemarkWords = (count, first) =>
  `${leftOut(count, 'name that is not valid UTF-8', 'names that are not valid UTF-8', first)}: rename the files.`;
const nested: RemarkWords = (count, first) =>
  `${leftOut(count, 'folder inside a class folder', 'folders inside class folders', first)}: move the images up into the class folders.`;
const deadLinks: RemarkWords = (count, first) =>
  `${leftOut(count, 'link that leads nowhere', 'links that lead nowhere', first)}.`;
const special: RemarkWords = (count, first) =>
  `${leftOut(count, 'pipe, socket or device', 'pipes, sockets and devices', first)}.`;
const sameName: RemarkWords = (count, first) =>
  count === 1
    ? `Two folders are one class, because their names differ only in how accents are encoded: ${first}.`
    : `${count} folders belong to the class of another folder, because their names differ only in how accents are encoded, for example ${first}.`;
const besideClasses: RemarkWords = (count, first) =>
  `${leftOut(count, 'image outside of the class folders', 'images outside of the class folders', first)}.`;
const otherEndings: RemarkWords = (count, first, sorts) => {
  const counts = [...sorts].map(([ending, times]) => `${times} ${ending}`).join(', ');
  return `${leftOut(count, 'file with another extension', `files with other extensions (${counts})`, first)}: ${remedyForEndings}.`;
};
const withoutEnding: RemarkWords = (count, first) =>
  count === 1
    ? `1 file without an extension is read as an image: ${first}.`
    : `${count.toLocaleString('en-US')} files without an extension are read as images, for example ${first}.`;

/** The contents of a folder of class folders. */
export interface ClassFolders {
  /** Paths of the images within the data set (with `/` on every system), by class. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** Paths of the class folders without images. */
  readonly empty: readonly EmptyFolder[];
}

export interface EmptyFolder {
  readonly path: string;
  /** Of its class. */
  readonly name: string;
  /** A folder within it that may contain the images. */
  readonly inner?: string | undefined;
}

/**
 * Lists the images of the class folders in a folder, sorted. Classes are named by the composed form of their folders' names
 * (NFC), so that folders from macOS and Linux are the same class. Skipped files are counted in the remarks. A broken link
 * counts as an image if it has an image's extension, like a file.
 *
 * @param root the folder that contains the class folders: empty for the data set's own, otherwise with a `/` at the end
 * @throws DataError if a folder cannot be read.
 */
export async function listClassFolders(directory: string, root: string, remarks: Remarks): Promise<ClassFolders> {
  const content = await listFolder(join(directory, root));
  remarkOn(content, root, remarks);
  for (const name of content.deadLinks) remarks.add(deadLinks, `${root}${name}`);
  for (const name of content.files) if (hasImageEnding(name)) remarks.add(besideClasses, `${root}${name}`);
  const byClass = new Map<string, string[]>();
  const empty: EmptyFolder[] = [];
  for (const folder of content.folders) {
    const { images, inner } = await listImages(directory, `${root}${folder}`, remarks);
    const name = folder.normalize('NFC');
    const known = byClass.get(name);
    if (known && images.length > 0) remarks.add(sameName, `${root}${folder}`);
    if (images.length === 0) empty.push({ path: `${root}${folder}`, name, inner });
    else byClass.set(name, [...(known ?? []), ...images]);
  }
  // By code unit, not by locale: labels must be the same on every machine.
  return {
    images: new Map([...byClass].sort(([a], [b]) => (a < b ? -1 : 1))),
    empty: empty.filter(({ name }) => !byClass.has(name)),
  };
}

const hasImageEnding = (file: string) => imageEndings.includes(extname(file).toLowerCase());

/** Entries that are never usable, in any folder. */
function remarkOn(content: FolderContent, root: string, remarks: Remarks): void {
  for (const name of content.hidden) remarks.add(hidden, `${root}${name}`);
  for (const name of content.notUtf8) remarks.add(notUtf8, `${root}${name}`);
  for (const name of content.special) remarks.add(special, `${root}${name}`);
}

async function listImages(
  directory: string,
  folder: string,
  remarks: Remarks,
): Promise<{ images: string[]; inner: string | undefined }> {
  const content = await listFolder(join(directory, folder));
  const images: string[] = [];
  for (const file of content.files) {
    const path = `${folder}/${file}`;
    const ending = extname(file).toLowerCase();
    if (imageEndings.includes(ending)) images.push(path);
    else if (ending === '' && (await beginsAsImage(join(directory, path)).catch(() => false))) {
      remarks.add(withoutEnding, path);
      images.push(path);
    } else remarks.add(otherEndings, path, ending === '' ? 'without any' : ending);
  }
  for (const link of content.deadLinks) {
    if (hasImageEnding(link)) images.push(`${folder}/${link}`);
    else remarks.add(deadLinks, `${folder}/${link}`);
  }
  remarkOn(content, `${folder}/`, remarks);
  for (const inner of content.folders) remarks.add(nested, `${folder}/${inner}`);
  return { images: images.sort(), inner: content.folders[0] };
}
