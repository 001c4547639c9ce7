import { open } from 'node:fs/promises';
import { CheckpointError } from '@alex/tensor';
import { describeFileError, errorCode } from './file.js';
import { RunDirectory } from './run-directory.js';

/** The supported formats of weights. */
export type WeightsFormat = 'safetensors' | 'caffemodel' | 'onnx';

/** A command that runs a Python program on the file; FILE becomes its path. */
function python(...statements: readonly string[]): string {
  return `python -c "${statements.join('; ')}" FILE`;
}

const saveAsSafetensors = `save it as safetensors: ${python(
  'import sys, torch; from safetensors.torch import save_file',
  "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); d = d.get('state_dict', d)",
  "save_file({k: v.contiguous() for k, v in d.items() if torch.is_tensor(v)}, 'weights.safetensors')",
)}`;

/** A file of another format: how it begins, what it is, and what to do with it. */
interface Stranger {
  /** Matches its first bytes as hexadecimal digits. */
  readonly digits?: RegExp;
  /** Matches its first bytes as latin1. */
  readonly text?: RegExp;
  readonly is: string;
  readonly remedy: string;
}

/** Formats that users have besides weights, the specific ones before the general. */
const strangers: readonly Stranger[] = [
  { text: /^$/, is: 'is empty', remedy: 'download it again' },
  {
    text: /^version https:\/\/git-lfs\.github\.com/,
    is: 'is a Git LFS pointer, not the file itself',
    remedy: 'run git lfs pull in its repository',
  },
  {
    text: /^\s*(<!doctype html|<html|<head|<\?xml)/i,
    is: 'is a web page, not weights',
    remedy: 'the address requires a login or an agreement: open it in a browser and download the file itself',
  },
  { digits: /^1f8b/, is: 'is compressed by gzip', remedy: 'unpack it with gunzip, or with tar -xzf' },
  { text: /^BZh/, is: 'is compressed by bzip2', remedy: 'unpack it with bunzip2' },
  { digits: /^fd377a585a/, is: 'is compressed by xz', remedy: 'unpack it with unxz' },
  { digits: /^28b52ffd/, is: 'is compressed by zstd', remedy: 'unpack it with unzstd' },
  { digits: /^377abcaf/, is: 'is a 7z archive', remedy: 'unpack it' },
  { text: /^Rar!/, is: 'is a RAR archive', remedy: 'unpack it' },
  { text: /^[\s\S]{257}ustar/, is: 'is a tar archive', remedy: 'unpack it with tar -xf, and give the file in it' },
  {
    text: /^PK[\s\S]*?\.npy/,
    is: 'is a NumPy file (.npz)',
    remedy: 'save its arrays with safetensors.numpy.save_file',
  },
  {
    text: /^PK[\s\S]{28,200}?(data\.pkl|version|byteorder|archive\/)/,
    is: 'is a PyTorch file (torch.save)',
    remedy: saveAsSafetensors,
  },
  {
    text: /^PK[\s\S]*?(metadata\.json|model\.weights\.h5)/,
    is: 'is a Keras file',
    remedy: 'save its weights as safetensors',
  },
  { text: /^PK/, is: 'is a zip archive', remedy: `unpack it, or if torch.save wrote it, ${saveAsSafetensors}` },
  { digits: /^800[2-5]/, is: 'is a pickle, as written by torch.save until 2020', remedy: saveAsSafetensors },
  {
    digits: /^894844460d0a/,
    is: 'is an HDF5 file (.h5, of Keras or Caffe)',
    remedy: "save its arrays with safetensors.numpy.save_file, with torchvision's names",
  },
  {
    digits: /^934e554d5059/,
    is: 'is a NumPy array (.npy)',
    remedy: 'save all arrays in one file with safetensors.numpy.save_file',
  },
  // BlobProto: one image of three channels.
  { digits: /^08011003/, is: 'is a Caffe mean image, not weights', remedy: 'give it as --mean' },
  { text: /^[\s\S]{4}TFL3/, is: 'is a TensorFlow Lite model', remedy: 'save its weights as safetensors' },
  { text: /^GGUF/, is: 'is a GGUF file', remedy: "give safetensors with torchvision's names" },
  { digits: /^(ffd8ff|89504e47|47494638|52494646)/, is: 'is an image', remedy: 'give a weights file' },
  {
    text: /^\s*\{[\s\S]*"weight_map"/,
    is: 'is the index of weights that are split over several files',
    remedy: 'merge them into one safetensors file',
  },
  { text: /^\s*[{[]/, is: 'is JSON', remedy: 'give a weights file' },
  {
    text: /^[\s!-~]*?\b(layers?|input|name|base_lr)\s*[:{]/,
    is: "describes a network or a solver in text (Caffe's prototxt)",
    remedy: 'the weights are in its .caffemodel',
  },
  {
    text: /^(\u00ef\u00bb\u00bf)?[\t\n\r -~][\t\n\r -~\u0080-\u00ff]*$/,
    is: 'is text',
    remedy: 'give a weights file',
  },
];

/** ModelProto: the version of the format, then the producer's name or another of its fields. */
const onnxBegins = /^08(0[1-9a-f]|1.|20)(12|1a|22|28|2a|32|3a|42)/;

/** Enough for the names of a zip's first entries. */
const HEAD = 4096;
/** Fields of a `NetParameter` with which a caffemodel may begin: `name`, `layers`, `input`, `state`, `layer`. */
const caffeBegins = /^(0a|12|1a|32|a206)/;

/**
 * Detects the format of a weights file from its contents.
 *
 * @throws CheckpointError for a file that cannot be read, or is of another format: says what it is and what to do
 */
export async function weightsFormat(path: string): Promise<WeightsFormat> {
  const head = await headOf(path);
  const [digits, text] = [head.toString('hex'), head.toString('latin1')];
  if (text.charAt(8) === '{') return 'safetensors';
  if (onnxBegins.test(digits)) return 'onnx';
  const stranger = strangers.find((one) => one.digits?.test(digits) || one.text?.test(text));
  if (stranger) {
    const quoted = `'${path.replaceAll("'", `'\\''`)}'`;
    // A function, because $ is special in a replacement string.
    throw new CheckpointError(`${path}: ${stranger.is}; ${stranger.remedy.replace('FILE', () => quoted)}`);
  }
  if (caffeBegins.test(digits)) return 'caffemodel';
  throw new CheckpointError(
    `${path}: is not a supported weights format; give a safetensors file, an ONNX model or a caffemodel`,
  );
}

async function headOf(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) !== 'EISDIR') {
      throw new CheckpointError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
    }
    const isRun = await RunDirectory.exists(path).catch(() => false);
    const remedy = isRun ? 'is the directory of a run; give it with --run' : 'is a folder; give the weights file in it';
    throw new CheckpointError(`${path}: ${remedy}`, { cause: error });
  }
}
