import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { npyHeader } from '@alex/data';
import { AlexError, type HostTensor } from '@alex/tensor';
import { checkBoolean, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import { describeFileError, unfinished, writeAll } from './file.js';

/** One of the output files. */
interface Part {
  readonly path: string;
  readonly file: FileHandle;
}

/** What is written about an image besides its activations. */
export interface ImageNote {
  readonly name: string;
  /** The name of its class, if known; either all images have one, or none. */
  readonly label?: string;
}

/**
 * Writes the activations of many images to a NumPy array (`.npy`, float32, `[N, C, H, W]` or `[N, F]`), batch by batch. A text
 * file next to it names the image of each row, one per line (`fc7.names.txt` for `fc7.npy`), and another one its class, if known
 * (`fc7.labels.txt`). The files appear only once they are complete.
 */
export class ActivationFile {
  readonly path: string;
  readonly #shape: readonly number[];
  readonly #headerBytes: number;
  readonly #parts: readonly Part[];
  #rows = 0;

  private constructor(path: string, opened: { shape: readonly number[]; headerBytes: number; parts: readonly Part[] }) {
    this.path = path;
    this.#shape = opened.shape;
    this.#headerBytes = opened.headerBytes;
    this.#parts = opened.parts;
  }

  /**
   * Creates the files.
   *
   * @param shape of one image's activations
   * @param options.most how many images there can be
   * @param options.labelled whether images come with labels
   * @throws AlexError if they cannot be written; ConfigError for an unknown or invalid option
   */
  static async open(
    path: string,
    shape: readonly number[],
    options: { readonly most: number; readonly labelled?: boolean },
  ): Promise<ActivationFile> {
    checkOptions('ActivationFile', options, ['most', 'labelled']);
    const { most, labelled = false } = options;
    checkWholeNumber('ActivationFile', 'most', most);
    checkBoolean('ActivationFile', 'labelled', labelled);
    const header = npyHeader([most, ...shape]);
    const stem = path.replace(/\.npy$/i, '');
    const paths = [path, `${stem}.names.txt`, ...(labelled ? [`${stem}.labels.txt`] : [])];
    const parts: Part[] = [];
    try {
      for (const own of paths) parts.push({ path: own, file: await open(own + unfinished, 'w') });
      await writeAll(parts[0]!.file, header);
    } catch (error) {
      await discard(parts);
      throw cannotWrite(path, error);
    }
    return new ActivationFile(path, { shape, headerBytes: header.length, parts });
  }

  /** The final names of the files. */
  get files(): { readonly to: string; readonly names: string; readonly labels?: string } {
    const [to, names, labels] = this.#parts.map(({ path }) => path) as [string, string, string?];
    return { to, names, ...(labels !== undefined && { labels }) };
  }

  /** `[N, C, H, W]` or `[N, F]` of the images written so far. */
  get shape(): number[] {
    return [this.#rows, ...this.#shape];
  }

  /** @throws AlexError if they cannot be written */
  async append({ data }: Pick<HostTensor, 'data'>, images: readonly ImageNote[]): Promise<void> {
    const bytes = Buffer.alloc(4 * data.length);
    for (let i = 0; i < data.length; i++) bytes.writeFloatLE(data[i]!, 4 * i);
    const [values, names, labels] = this.#parts as readonly [Part, Part, Part?];
    try {
      await writeAll(values.file, bytes);
      await writeAll(names.file, linesOf(images.map(({ name }) => name)));
      if (labels) await writeAll(labels.file, linesOf(images.map(({ label = '' }) => label)));
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    this.#rows += images.length;
  }

  /** Gives the files their final names. */
  async finish(): Promise<void> {
    try {
      await writeAll(this.#parts[0]!.file, npyHeader(this.shape, this.#headerBytes), 0);
      for (const { file } of this.#parts) {
        await file.sync();
        await file.close();
      }
      for (const { path } of this.#parts) await rename(path + unfinished, path);
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** Removes unfinished files. */
  discard(): Promise<void> {
    return discard(this.#parts);
  }
}

async function discard(parts: readonly Part[]): Promise<void> {
  for (const { path, file } of parts) {
    await file.close().catch(() => undefined);
    await rm(path + unfinished, { force: true }).catch(() => undefined);
  }
}

/** One line each; a line break within a name is written as `\n`, so that rows and lines match. */
function linesOf(names: readonly string[]): Buffer {
  const lines = names.map((name) => name.replaceAll(/[\r\n]/g, (found) => (found === '\n' ? '\\n' : '\\r')));
  return Buffer.from(lines.map((line) => `${line}\n`).join(''));
}

function cannotWrite(path: string, error: unknown): AlexError {
  return new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
}
