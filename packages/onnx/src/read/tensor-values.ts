import { CheckpointError } from '@alex/tensor';
import { elementCount, formatShape, fromHalves } from '@alex/tensor/kernels';
import { dataTypeName, dataTypes, type TensorProto } from '../protobuf/messages.js';

/** A constant: of floating point, or of whole numbers. */
export interface ConstantValue {
  readonly shape: readonly number[];
  readonly data: Float32Array | readonly number[];
}

type Values = ConstantValue['data'];

/** How the values of a type are read from raw bytes, and from the field that holds them one by one. */
interface TypeReader {
  readonly raw: (bytes: ArrayBuffer) => Values;
  readonly bytes: number;
  readonly typed: (tensor: TensorProto) => Values;
}

const int32s = ({ int32s }: TensorProto) => int32s;
const halvesOf = (words: ArrayLike<number>) => fromHalves(Uint16Array.from(words));

const readers: Readonly<Record<number, TypeReader>> = {
  [dataTypes.float]: {
    bytes: 4,
    raw: (bytes) => new Float32Array(bytes),
    typed: ({ floats }) => Float32Array.from(floats ?? []),
  },
  [dataTypes.double]: {
    bytes: 8,
    raw: (bytes) => Float32Array.from(new Float64Array(bytes)),
    typed: ({ doubles }) => Float32Array.from(doubles ?? []),
  },
  [dataTypes.float16]: {
    bytes: 2,
    raw: (bytes) => fromHalves(new Uint16Array(bytes)),
    typed: (tensor) => halvesOf(tensor.int32s),
  },
  [dataTypes.bfloat16]: {
    bytes: 2,
    raw: (bytes) => fromUpperHalves(new Uint16Array(bytes)),
    typed: (tensor) => fromUpperHalves(tensor.int32s),
  },
  [dataTypes.int64]: {
    bytes: 8,
    raw: (bytes) => Array.from(new BigInt64Array(bytes), Number),
    typed: ({ int64s }) => int64s,
  },
  [dataTypes.int32]: { bytes: 4, raw: (bytes) => [...new Int32Array(bytes)], typed: int32s },
  [dataTypes.bool]: { bytes: 1, raw: (bytes) => [...new Uint8Array(bytes)], typed: int32s },
};

/**
 * The values of a constant, floating point as float32.
 *
 * @throws CheckpointError for a type that is not read, such as that of quantized weights, or if shape and values disagree
 */
export function valuesOf(tensor: TensorProto): ConstantValue {
  const { name = 'a constant', dims: shape, dataType = 0, raw } = tensor;
  const reader = readers[dataType];
  if (!reader) {
    throw new CheckpointError(
      `${name}: has values of the type ${dataTypeName(dataType)}; only float, double, float16 and bfloat16 are read, quantized weights are not: export the model before its quantization`,
    );
  }
  const count = elementCount(shape);
  if (raw && raw.length !== count * reader.bytes) {
    throw new CheckpointError(
      `${name}: has the shape ${formatShape(shape)}, which its ${raw.length} bytes do not fit: the model is damaged, or not whole`,
    );
  }
  // A copy: the bytes may begin anywhere, numbers may not.
  const data = raw ? reader.raw(new Uint8Array(raw).buffer) : reader.typed(tensor);
  if (data.length !== count) {
    throw new CheckpointError(
      `${name}: has the shape ${formatShape(shape)}, which its ${data.length} values do not fit: the model is damaged, or not whole`,
    );
  }
  return { shape, data };
}

/** BF16 is the upper half of a float32. */
function fromUpperHalves(halves: ArrayLike<number>): Float32Array {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
  return new Float32Array(words.buffer);
}
