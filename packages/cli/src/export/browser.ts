import { basename, dirname, join } from 'node:path';
import { variants } from '@alex/model-alexnet';
import { ConfigError } from '@alex/tensor';
import { toHalves } from '@alex/tensor/kernels';
import { writeResult } from '../write-result.js';
import type { BrowserModel } from './browser-model.js';
import type { Exporter } from './exporter.js';

/** Bytes of a file with weights, apart from a single larger tensor: browsers and servers cope with many files of this size. */
const mostBytes = 16e6;
/** The greatest finite number of 16 bits. */
const greatest = 65504;

/** A JSON file and files of weights next to it, for `classify` in a page. */
export const exportBrowser: Exporter = async ({ config, weights }, { to }) => {
  const { variant, inputSize } = config.model;
  if (!variants.some(({ name }) => name === variant)) {
    throw new ConfigError(
      `--format browser: ${variant} is no network of this program (docs/networks.md lists them), and the page knows no others; give --format onnx`,
    );
  }
  const stem = basename(to).replace(/\.json$/i, '');
  const files: Uint8Array[][] = [];
  const tensors: BrowserModel['tensors'][number][] = [];
  let offset = Infinity;
  for (const [name, { shape, data }] of Object.entries(weights)) {
    const beyond = data.find((value) => Math.abs(value) > greatest);
    if (beyond !== undefined) {
      throw new ConfigError(
        `--format browser: ${name} has the value ${beyond}, but 16 bits hold at most ${greatest}; give --format safetensors`,
      );
    }
    const bytes = new Uint8Array(toHalves(data).buffer);
    if (offset + bytes.length > mostBytes) {
      files.push([]);
      offset = 0;
    }
    tensors.push({ name, shape: [...shape], file: files.length - 1, offset });
    files.at(-1)!.push(bytes);
    offset += bytes.length;
  }
  const names = files.map((_, index) => `${stem}-${index}.bin`);
  const { height, width, channels, classes } = config.data;
  const { mean, meanImage, scale, padding } = config.images;
  const model: BrowserModel = {
    format: 'alex-browser-1',
    model: { variant, inputSize },
    classes,
    images: { height, width, channels, mean, ...(meanImage !== undefined && { meanImage }), scale, padding },
    files: names,
    tensors,
  };
  const paths = names.map((name) => join(dirname(to), name));
  for (const [index, path] of paths.entries()) await writeResult(path, Buffer.concat(files[index]!));
  await writeResult(to, JSON.stringify(model));
  return { files: [to, ...paths], remarks: ['has its weights in 16 bits; all of its files belong in one folder.'] };
};
