import type { HostTensor } from '@alex/tensor';
import { fromHalves } from '@alex/tensor/kernels';
import type { BrowserModel } from '../../../packages/cli/src/export/browser-model.js';

/** A network with its weights in float32. */
export interface Model extends Omit<BrowserModel, 'format' | 'files' | 'tensors'> {
  readonly weights: Readonly<Record<string, HostTensor>>;
}

/** Reads a file of the model by its name. */
export type Read = (name: string) => Promise<Blob>;

/**
 * Reads a model.
 *
 * @param name of its JSON file, @param read gives it, and the files that it names
 * @throws Error that says which file is missing, or is something else
 */
export async function readModel(name: string, read: Read): Promise<Model> {
  const { format, files, tensors, ...model } = parsed(name, await (await read(name)).text());
  if (format !== 'alex-browser-1') throw new Error(`${name} is no model: write one by alexnet export --format browser`);
  const contents = await Promise.all(files.map(async (file) => (await read(file)).arrayBuffer()));
  const weights: Record<string, HostTensor> = {};
  for (const { name: tensor, shape, file, offset } of tensors) {
    const length = shape.reduce((product, size) => product * size, 1);
    const content = contents[file];
    if (!content || content.byteLength < offset + 2 * length) {
      throw new Error(`${files[file]} is shorter than ${name} says: copy it again`);
    }
    weights[tensor] = { shape: [...shape], data: fromHalves(new Uint16Array(content, offset, length)) };
  }
  return { ...model, weights };
}

/** Of another format, it may be anything else. */
function parsed(name: string, text: string): BrowserModel {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null) return json as BrowserModel;
  } catch {
    // Said below.
  }
  throw new Error(`${name} is not JSON: write one by alexnet export --format browser`);
}

/** The files of an address: those that it names are next to it. */
export function filesAt(address: string): Read {
  return async (name) => {
    const at = name === address ? address : new URL(name, address).href;
    const response = await fetch(at).catch(() => undefined);
    if (!response)
      throw new Error(`${at} cannot be loaded: check the address, and that its server allows other sites (CORS)`);
    if (!response.ok) throw new Error(`${at} is not there (${response.status}): check the address`);
    return response.blob();
  };
}

/** Files that a visitor gave. */
export function filesGiven(files: readonly File[]): Read {
  return async (name) => {
    const file = files.find((one) => one.name === name);
    if (!file) throw new Error(`${name} is missing: give it together with the JSON file`);
    return file;
  };
}
