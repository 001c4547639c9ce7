import { open, readFile } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import sharp from 'sharp';
import { reason } from './files.js';

/**
 * Decodes an image file to `size * size` pixels of interleaved channels as in the paper: the shorter side is scaled to
 * `size`, and the central square is cropped (section 2; cuda-convnet2's make-data does the same). The rotation recorded
 * by a camera is applied, transparent parts become white, and grey, CMYK and 16-bit images become 8-bit RGB, or 8-bit
 * grey if one channel is requested. The format is detected from the contents, not from the name.
 *
 * @param name the name of the image in errors
 * @param input path of the file, or its content
 * @param channels 3: red, green and blue; 1: grey
 * @throws DataError if the file is not an image or is truncated.
 */
export async function decodeImage(
  name: string,
  input: string | Buffer,
  size: number,
  channels: 1 | 3 = 3,
): Promise<Uint8Array> {
  try {
    // The decoder interprets brackets at the end of a path as options.
    const content = typeof input === 'string' && input.endsWith(']') ? await readFile(input) : input;
    // Not the strictest setting: photographs with harmless faults in their metadata are common and decode well.
    const image = sharp(content, { failOn: 'error' })
      .autoOrient()
      .resize({ width: size, height: size, fit: 'cover', position: 'centre' })
      .flatten({ background: '#ffffff' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    return await image.raw({ depth: 'uchar' }).toBuffer();
  } catch (error) {
    throw new DataError(`${name} cannot be read as an image: ${reason(error)}; replace or remove the file`, {
      cause: error,
    });
  }
}

/** Extensions of files that are considered images; their format is detected from the contents. */
export const imageEndings: readonly string[] = '.jpeg .jpg .jpe .jfif .png .webp .gif .tif .tiff .avif'.split(' ');

/** The first bytes of the supported image formats: hexadecimal, with a dot for any digit. */
const signatures = {
  JPEG: /^ffd8ff/,
  PNG: /^89504e470d0a1a0a/,
  WebP: /^52494646.{8}57454250/,
  GIF: /^47494638/,
  TIFF: /^(49492a00|4d4d002a)/,
  // The brands avif, avis, mif1 and msf1; videos and HEIC begin in the same way.
  AVIF: /^.{8}66747970(61766966|61766973|6d696631|6d736631)/,
};

/**
 * Checks the first bytes of a file: far faster than decoding its header, and enough to find text files and empty files.
 *
 * @throws DataError if they do not begin a supported image format.
 */
export async function checkSignature(name: string, file: string): Promise<void> {
  checkSignatureOf(name, await headOf(name, file));
}

/**
 * Whether the first bytes of a file begin a supported image format.
 *
 * @throws DataError if it cannot be read.
 */
export async function beginsAsImage(file: string): Promise<boolean> {
  return isImage(await headOf(file, file));
}

async function headOf(name: string, file: string): Promise<Buffer> {
  const head = Buffer.alloc(12);
  try {
    const handle = await open(file);
    try {
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      return head.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new DataError(`cannot read ${name}: ${reason(error)}`, { cause: error });
  }
}

function isImage(content: Buffer): boolean {
  const digits = content.toString('hex', 0, 12);
  return Object.values(signatures).some((signature) => signature.test(digits));
}

/** Like `checkSignature`, for the content of a file or its beginning. */
export function checkSignatureOf(name: string, content: Buffer): void {
  if (isImage(content)) return;
  const found = content.length === 0 ? 'the file is empty' : 'its content is something else';
  throw new DataError(
    `${name} is not an image (${Object.keys(signatures).join(', ')}): ${found}; replace or remove the file`,
  );
}
