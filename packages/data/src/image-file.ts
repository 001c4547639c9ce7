import { open, readFile } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import { checkWholeNumber, optionError } from '@alex/tensor/kernels';
import sharp from 'sharp';
import { headBytes, inWords } from './content-kind.js';
import { deadLink, errorCode, readError, reason } from './files.js';

/**
 * Decodes an image file to `size * size` pixels of interleaved channels as the paper does: the shorter side is scaled to `size`, the
 * central square is cut out (section 2; cuda-convnet2's make-data does the same). The rotation recorded by a camera is applied,
 * transparent parts become white, of several frames the first is used, and grey, CMYK and 16-bit images become 8-bit RGB; if one
 * channel is requested, all images become 8-bit grey. The file format is detected from the contents, not from the name.
 *
 * @param name the name of the image in errors
 * @param input path of the file, or its content
 * @param channels 3: red, green and blue; 1: grey
 * @throws DataError if the file is not an image or is truncated; ConfigError if an argument is none that there can be.
 */
export async function decodeImage(
  name: string,
  input: string | Buffer,
  size: number,
  channels: 1 | 3 = 3,
): Promise<Uint8Array> {
  if (typeof input !== 'string' && !ArrayBuffer.isView(input)) {
    throw optionError(name, 'input', 'the path of a file, or its content in a Buffer', input);
  }
  checkWholeNumber(name, 'size', size);
  if (channels !== 1 && channels !== 3) throw optionError(name, 'channels', '1 or 3', channels);
  const unusable = (why: string, cause: unknown) => {
    throw new DataError(`${name} cannot be read as an image: ${why}`, { cause });
  };
  // Not by its path: the decoder interprets brackets at its end as options, and waits for more of a pipe than comes.
  const content =
    typeof input === 'string' ? await readFile(input).catch((error) => unusable(unread(input, error), error)) : input;
  return decoded(content!, size, channels).catch((error) =>
    unusable(faultOf(content!, error, 'replace or remove the file'), error),
  );
}

/** Why a given file cannot be read, and what to do. */
function unread(file: string, error: unknown): string {
  const code = errorCode(error);
  if (code === 'EISDIR') return 'it is a folder; give the files in it';
  if (code === 'ENOENT' && !deadLink(file, error)) return 'there is no such file; check the path';
  return `${readingFault(file, error)}; replace or remove the file`;
}

/** Describes content that could not be decoded, by its first bytes unless they are those of an image. */
function faultOf(content: Buffer, error: unknown, remedy?: string): string {
  if (isImage(content)) return `it cannot be decoded (${reason(error)})${remedy === undefined ? '' : `; ${remedy}`}`;
  return inWords(content.subarray(0, headBytes), `it is not an image (${Object.keys(signatures).join(', ')})`, remedy);
}

async function decoded(content: string | Buffer, size: number, channels: 1 | 3): Promise<Uint8Array> {
  // Not the strictest setting: photographs with harmless errors in their metadata are common and decode well.
  const image = sharp(content, { failOn: 'error' })
    .autoOrient()
    .resize({ width: size, height: size, fit: 'cover', position: 'centre' })
    .flatten({ background: '#ffffff' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb');
  return image.raw({ depth: 'uchar' }).toBuffer();
}

/** The pixels of an image, or the reason in words why it cannot be used. */
export type Decoding = { readonly pixels: Uint8Array } | { readonly fault: string };

/** Like `decodeImage`, for contents that may be anything: if it is not an image, its first bytes tell what it is. */
export async function tryDecoding(content: Buffer, size: number, channels: 1 | 3): Promise<Decoding> {
  if (!isImage(content)) return { fault: faultOf(content, undefined) };
  try {
    return { pixels: await decoded(content, size, channels) };
  } catch (error) {
    return { fault: faultOf(content, error) };
  }
}

/** Why an image file cannot be read, in words. */
export function readingFault(file: string, error: unknown): string {
  return `it ${deadLink(file, error)?.replace(/^/, 'is ') ?? `cannot be read (${reason(error)})`}`;
}

/** Extensions of image files; the format is detected from the contents. */
export const imageEndings: readonly string[] = '.jpeg .jpg .jpe .jfif .png .webp .gif .tif .tiff .avif'.split(' ');

/** The first bytes of the supported image formats: hexadecimal, with a dot for any digit. */
const signatures = {
  JPEG: /^ffd8ff/,
  PNG: /^89504e470d0a1a0a/,
  WebP: /^52494646.{8}57454250/,
  GIF: /^47494638/,
  // Also BigTIFF.
  TIFF: /^(49492[ab]00|4d4d002[ab])/,
  // The brands avif, avis, mif1 and msf1; videos and HEIC begin similarly.
  AVIF: /^.{8}66747970(61766966|61766973|6d696631|6d736631)/,
};

/**
 * Whether a file starts like a supported image format.
 *
 * @throws DataError if it cannot be read.
 */
export async function beginsAsImage(file: string): Promise<boolean> {
  const head = Buffer.alloc(12);
  try {
    const handle = await open(file);
    try {
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      return isImage(head.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readError(file, error);
  }
}

function isImage(content: Buffer): boolean {
  const digits = content.toString('hex', 0, 12);
  return Object.values(signatures).some((signature) => signature.test(digits));
}
