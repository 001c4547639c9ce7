import { dirname } from 'node:path';
import { folderTree, type ImageTree } from './image-tree.js';
import type { Place } from './source.js';

/** Folders of Kaggle's archive without training data: 1.2 million descriptions, lists, and unlabelled images. */
const passedOver = /(^|\/)(Annotations|ImageSets|test(?!\/(.*\/)?(train|val)\/))\//;

interface Folder {
  readonly folders: Set<string>;
  readonly files: Map<string, Place>;
}

/** The tree within an archive, to which files are added one by one. Files next to the archive are in `..`. */
export class ArchiveTree implements ImageTree {
  readonly name: string;
  readonly #folders = new Map<string, Folder>();
  readonly #beside: ImageTree;

  /** @param file the archive */
  constructor(file: string) {
    this.name = file;
    this.#beside = folderTree(dirname(file));
    this.#folderAt('');
  }

  /**
   * Whether a file with this path is needed; the folder of one that is not needed is recorded all the same.
   *
   * @param path with `/` between names, and at the end of a folder
   */
  wants(path: string): boolean {
    const [folder, name] = split(clean(path));
    if (folder.split('/')[0] === '__MACOSX') return false;
    const passed = passedOver.exec(clean(path));
    if (passed) this.#folderAt(clean(path).slice(0, passed.index + passed[0].length - 1));
    else if (name === '') this.#folderAt(folder);
    return !passed && name !== '' && !name.startsWith('.');
  }

  add(path: string, place: Place): void {
    const [folder, name] = split(clean(path));
    this.#folderAt(folder).files.set(name, place);
  }

  async list(path: string) {
    const folder = this.#folders.get(path);
    return folder && { folders: [...folder.folders].sort(), files: [...folder.files.keys()].sort() };
  }

  async place(path: string): Promise<Place | undefined> {
    if (path.startsWith('../')) return this.#beside.place(path.slice('../'.length));
    const [folder, name] = split(path);
    return this.#folders.get(folder)?.files.get(name);
  }

  onDisk(path: string): string | undefined {
    return path === '..' ? dirname(this.name) : undefined;
  }

  #folderAt(path: string): Folder {
    const known = this.#folders.get(path);
    if (known) return known;
    const folder: Folder = { folders: new Set(), files: new Map() };
    this.#folders.set(path, folder);
    if (path !== '') {
      const [parent, name] = split(path);
      this.#folderAt(parent).folders.add(name);
    }
    return folder;
  }
}

/** In archives that were created from `.`, all paths begin with it. */
const clean = (path: string) => path.replace(/^(\.\/)+/, '');

/** The folder of a path, and the name within it. */
function split(path: string): [folder: string, name: string] {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)];
}
