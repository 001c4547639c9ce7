import { CheckpointError } from '@alex/tensor';
import type { GraphProto, TensorProto } from '../protobuf/messages.js';

/** Reads a file that a model keeps constants in, by its name relative to the model. */
export type ReadExternal = (location: string) => Promise<Uint8Array>;

/** `TensorProto.DataLocation.EXTERNAL`. */
const EXTERNAL = 1;

/**
 * The graph with all constants in memory.
 *
 * @throws CheckpointError if there is no way to read other files, or a file is too short or lies elsewhere
 */
export async function withExternalData(graph: GraphProto, read: ReadExternal | undefined): Promise<GraphProto> {
  const files = new Map<string, Promise<Uint8Array>>();
  const loaded = async (tensor: TensorProto): Promise<TensorProto> => {
    if (tensor.dataLocation !== EXTERNAL) return tensor;
    const entries = Object.fromEntries(tensor.externalData.map(({ key = '', value = '' }) => [key, value]));
    const { location = '', offset = '0', length } = entries;
    const fail = (why: string): never => {
      throw new CheckpointError(`${tensor.name}: its values are in the file '${location}', ${why}`);
    };
    if (!isBeside(location)) fail('which is not beside the model; save the model again, in one file');
    if (!read) return fail('which was not given; pass `externalData`, or save the model in one file');
    if (!files.has(location)) files.set(location, read(location));
    const bytes = await files.get(location)!;
    const begin = Number(offset);
    const end = length === undefined ? bytes.length : begin + Number(length);
    if (!(begin >= 0 && end >= begin && end <= bytes.length)) {
      fail(`whose ${bytes.length} bytes do not reach from ${offset} to ${end}: the file is truncated, or another one`);
    }
    return { ...tensor, raw: bytes.subarray(begin, end) };
  };
  const initializers: TensorProto[] = [];
  for (const tensor of graph.initializers) initializers.push(await loaded(tensor));
  return { ...graph, initializers };
}

/** A model must not make its reader open any file of the machine. */
function isBeside(location: string): boolean {
  const parts = location.split(/[/\\]/);
  return location !== '' && !/^([/\\]|[a-z]:)/i.test(location) && !parts.includes('..');
}
