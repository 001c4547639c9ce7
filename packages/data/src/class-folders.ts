import { extname, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { listFolder } from './files.js';
import { beginsAsImage, imageEndings } from './image-file.js';
import { leftOut, type Remarks, type RemarkWords } from './remarks.js';

const remedyForEndings = 'images must be JPEG, PNG, WebP, GIF, TIFF or AVIF';

const hidden: RemarkWords = (count, first) =>
  `${leftOut(count, 'hidden file or folder', 'hidden files and folders', first)}.`;
const notUtf8: RemarkWords = (count, first) =>
  `${leftOut(count, 'name that is not valid UTF-8', 'names that are not valid UTF-8', first)}: rename the files.`;
const nested: RemarkWords = (count, first) =>
  `${leftOut(count, 'folder inside a class folder', 'folders inside class folders', first)}: move the images up into the class folders.`;
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

/**
 * The images of the class folders in a folder: paths within the data set (with `/` on every system) by class, sorted.
 * Class names are the composed form (NFC) of their folders' names, so that a folder from a Mac has the same name as one
 * from Linux. Skipped files are counted in the remarks.
 *
 * @param root the folder that contains the class folders: empty for the data set's own, else with a `/` at the end
 * @throws DataError if a folder cannot be read or a class has no images.
 */
export async function listClassFolders(
  directory: string,
  root: string,
  remarks: Remarks,
): Promise<Map<string, string[]>> {
  const content = await listFolder(join(directory, root));
  for (const name of content.hidden) remarks.add(hidden, `${root}${name}`);
  for (const name of content.notUtf8) remarks.add(notUtf8, `${root}${name}`);
  for (const name of content.files) if (hasImageEnding(name)) remarks.add(besideClasses, `${root}${name}`);
  const byClass = new Map<string, string[]>();
  for (const folder of content.folders) {
    const images = await listImages(directory, `${root}${folder}`, remarks);
    const name = folder.normalize('NFC');
    byClass.set(name, [...(byClass.get(name) ?? []), ...images]);
  }
  // By code unit, not by locale: labels must be the same on every machine.
  return new Map([...byClass].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const hasImageEnding = (file: string) => imageEndings.includes(extname(file).toLowerCase());

async function listImages(directory: string, folder: string, remarks: Remarks): Promise<string[]> {
  const { files, folders, hidden: hiddenNames, notUtf8: strange } = await listFolder(join(directory, folder));
  const images: string[] = [];
  for (const file of files) {
    const path = `${folder}/${file}`;
    const ending = extname(file).toLowerCase();
    if (imageEndings.includes(ending)) images.push(path);
    else if (ending === '' && (await beginsAsImage(join(directory, path)))) {
      remarks.add(withoutEnding, path);
      images.push(path);
    } else remarks.add(otherEndings, path, ending === '' ? 'without any' : ending);
  }
  for (const name of hiddenNames) remarks.add(hidden, `${folder}/${name}`);
  for (const name of strange) remarks.add(notUtf8, `${folder}/${name}`);
  for (const inner of folders) remarks.add(nested, `${folder}/${inner}`);
  if (images.length > 0) return images;
  const inner = folders.length > 0 ? `, but a folder ${folders[0]}` : '';
  throw new DataError(
    `${join(directory, folder)} has no images${inner}: put files that end in ${imageEndings.join(', ')} directly into it, or remove it`,
  );
}
