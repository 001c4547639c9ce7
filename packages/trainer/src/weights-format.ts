// biome-ignore-all lint/suspicious/noControlCharactersInRegex: many formats begin with control characters.
import { open } from 'node:fs/promises';
import { CheckpointError } from '@alex/tensor';
import { describeFileError } from './file.js';

/** The formats of weights that are read. */
export type WeightsFormat = 'safetensors' | 'caffemodel';

/** FILE becomes the file's path. */
const saveAsSafetensors =
  'save it as safetensors: python -c "import sys, torch; from safetensors.torch import save_file; ' +
  "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); d = d.get('state_dict', d); " +
  "save_file({k: v.contiguous() for k, v in d.items() if torch.is_tensor(v)}, 'weights.safetensors')\" FILE";

/** What else people have, by how it begins; and what to do with it. Bytes are read as latin1. */
const strangers: readonly (readonly [begins: RegExp, is: string, remedy: string])[] = [
  [/^$/, 'is empty', 'download it again'],
  [
    /^version https:\/\/git-lfs\.github\.com/,
    'is a pointer of Git LFS, not the file that it stands for',
    'run git lfs pull where it was cloned',
  ],
  [
    /^\s*(<!doctype html|<html|<head|<\?xml)/i,
    'is a web page, not weights',
    'the address asks for a login or an agreement: open it in a browser and download the file itself',
  ],
  [/^\x1f\x8b/, 'is compressed by gzip', 'unpack it by gunzip, or by tar -xzf'],
  [/^BZh/, 'is compressed by bzip2', 'unpack it by bunzip2'],
  [/^\xfd7zXZ/, 'is compressed by xz', 'unpack it by unxz'],
  [/^\x28\xb5\x2f\xfd/, 'is compressed by zstd', 'unpack it by unzstd'],
  [/^7z\xbc\xaf/, 'is a 7z archive', 'unpack it'],
  [/^Rar!/, 'is a RAR archive', 'unpack it'],
  [/^[\s\S]{257}ustar/, 'is a tar archive', 'unpack it by tar -xf, and give the file in it'],
  [/^PK[\s\S]*?\.npy/, 'is a file of NumPy (.npz)', 'save its arrays by safetensors.numpy.save_file'],
  [/^PK[\s\S]{28,200}?(data\.pkl|version|byteorder|archive\/)/, 'is a file of PyTorch (torch.save)', saveAsSafetensors],
  [/^PK[\s\S]*?(metadata\.json|model\.weights\.h5)/, 'is a file of Keras', 'save its weights as safetensors'],
  [/^PK/, 'is a zip archive', 'unpack it, or if torch.save made it, ' + saveAsSafetensors],
  [/^\x80[\x02-\x05]/, 'is a pickle, as torch.save made them until 2020', saveAsSafetensors],
  [
    /^\x89HDF\r\n/,
    'is an HDF5 file (.h5, of Keras or Caffe)',
    'save its arrays by safetensors.numpy.save_file, under the names of torchvision',
  ],
  [/^\x93NUMPY/, 'is an array of NumPy (.npy)', 'save all arrays in one file by safetensors.numpy.save_file'],
  // ModelProto: the version of the format, then the producer's name or what else is a field of it.
  [
    /^\x08[\x01-\x20][\x12\x1a\x22\x28\x2a\x32\x3a\x42]/,
    'is an ONNX model',
    'save its initializers by safetensors.numpy.save_file, under the names of torchvision',
  ],
  [/^[\s\S]{4}TFL3/, 'is a TensorFlow Lite model', 'save its weights as safetensors'],
  [/^GGUF/, 'is a GGUF file', 'give safetensors with the names of torchvision'],
  [/^\xff\xd8\xff|^\x89PNG|^GIF8|^RIFF/, 'is an image', 'give a file of weights'],
  [
    /^\s*\{[\s\S]*"weight_map"/,
    'is the index of weights that are split over several files',
    'join them into one file of safetensors',
  ],
  [/^\s*[{[]/, 'is JSON', 'give a file of weights'],
  [
    /^\s*#?[^\0]*?\b(layers?|input|name|base_lr)\s*[:{]/,
    "describes a network or a solver in text (Caffe's prototxt)",
    'the weights are in its .caffemodel',
  ],
  [/^[\x09\x0a\x0d\x20-\x7e]{16}/, 'is text', 'give a file of weights'],
];

/** Enough for the names of a zip's first entries. */
const HEAD = 4096;
/** Fields of a `NetParameter` that a caffemodel may begin with: `name`, `layers`, `input`, `state`, `layer`. */
const caffeBegins = /^(\x0a|\x12|\x1a|\x32|\xa2\x06)/;

/**
 * Tells by its content which format of weights a file has.
 *
 * @throws CheckpointError for a file that cannot be read, or is something else: says what it is and what to do
 */
export async function weightsFormat(path: string): Promise<WeightsFormat> {
  const head = await headOf(path);
  if (head.charAt(8) === '{') return 'safetensors';
  for (const [begins, is, remedy] of strangers) {
    if (!begins.test(head)) continue;
    throw new CheckpointError(`${path}: ${is}; ${remedy.replace('FILE', `'${path.replaceAll("'", `'\\''`)}'`)}`);
  }
  if (caffeBegins.test(head)) return 'caffemodel';
  throw new CheckpointError(
    `${path}: is none of the formats of weights that are read; give a file of safetensors, or a caffemodel`,
  );
}

async function headOf(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const isFolder = (error as NodeJS.ErrnoException).code === 'EISDIR';
    const problem = isFolder
      ? 'is a folder; give the file of weights in it'
      : `could not be read: ${describeFileError(error)}`;
    throw new CheckpointError(`${path}: ${problem}`, { cause: error });
  }
}
