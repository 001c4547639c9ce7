import { elementCount } from '@alex/tensor/kernels';
import { dataTypes } from '../protobuf/messages.js';
import type { Node } from './node.js';
import { type ConstantValue, valuesOf } from './tensor-values.js';

// Programs write constants in roundabout ways: as nodes, transposed, in parts, or computed from the shapes of other values.

/** What is known of a graph's values. */
export interface Evaluation {
  initializerOf(value: string): ConstantValue | undefined;
  producerOf(value: string): Node | undefined;
  shapeOf(value: string): readonly number[] | undefined;
}

type Operands = readonly ConstantValue[];

/** Operators on constants, by name; what else makes a value is not evaluated. */
const operators: Readonly<Record<string, (node: Node, operands: Operands) => ConstantValue>> = {
  Identity: (_, [value]) => value!,
  Cast: (node, [value]) =>
    [dataTypes.float, dataTypes.double, dataTypes.float16, dataTypes.bfloat16].includes(node.int('to', 0) as 1)
      ? { shape: value!.shape, data: Float32Array.from(value!.data) }
      : { shape: value!.shape, data: Array.from(value!.data, Math.trunc) },
  Transpose: (node, [value]) => transposed(value!, node.ints('perm')),
  Reshape: (node, [value, shape]) => reshaped(value!, node.ints('shape') ?? Array.from(shape!.data)),
  Flatten: (node, [value]) => {
    const axis = node.int('axis', 1);
    const { shape } = value!;
    return { ...value!, shape: [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))] };
  },
  Unsqueeze: (node, [value, axes]) => {
    const places = node.ints('axes') ?? Array.from(axes!.data);
    const rank = value!.shape.length + places.length;
    const shape = [...value!.shape];
    for (const place of places.map((axis) => (axis + rank) % rank).sort((a, b) => a - b)) shape.splice(place, 0, 1);
    return { ...value!, shape };
  },
  Squeeze: (node, [value, axes]) => {
    const rank = value!.shape.length;
    const places = (node.ints('axes') ?? (axes ? Array.from(axes.data) : undefined))?.map(
      (axis) => (axis + rank) % rank,
    );
    return { ...value!, shape: value!.shape.filter((size, axis) => (places ? !places.includes(axis) : size !== 1)) };
  },
  Gather: (_, [value, indices]) => {
    if (value!.shape.length !== 1) throw new TypeError('only lists are taken apart');
    const length = value!.data.length;
    return {
      shape: indices!.shape,
      data: Array.from(indices!.data, (index) => value!.data[(index + length) % length]!),
    };
  },
  Concat: (_, values) => {
    if (values.some(({ shape }) => shape.length !== 1)) throw new TypeError('only lists are put together');
    const data = values.flatMap((value) => Array.from(value.data));
    return { shape: [data.length], data };
  },
  Slice: (_, [value, starts, ends]) => {
    if (value!.shape.length !== 1) throw new TypeError('only lists are taken apart');
    const data = Array.from(value!.data).slice(starts!.data[0], ends!.data[0]);
    return { shape: [data.length], data };
  },
};

/** The value of a constant expression; undefined for what depends on the images. */
export function evaluate(value: string, graph: Evaluation): ConstantValue | undefined {
  const initializer = graph.initializerOf(value);
  if (initializer) return initializer;
  const node = graph.producerOf(value);
  if (!node) return undefined;
  if (node.operator === 'Constant') return constantOf(node);
  if (node.operator === 'Shape') {
    const shape = graph.shapeOf(node.inputs[0]!);
    return shape && { shape: [shape.length], data: shape };
  }
  const operator = Object.hasOwn(operators, node.operator) ? operators[node.operator] : undefined;
  if (!operator) return undefined;
  const operands: ConstantValue[] = [];
  for (const input of node.inputs) {
    const operand = evaluate(input, graph);
    if (!operand) return undefined;
    operands.push(operand);
  }
  try {
    return operator(node, operands);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}

function constantOf(node: Node): ConstantValue {
  const tensor = node.tensor('value');
  if (tensor) return valuesOf(tensor);
  if (node.has('value_float')) return { shape: [], data: Float32Array.of(node.float('value_float', 0)) };
  if (node.has('value_int')) return { shape: [], data: [node.int('value_int', 0)] };
  const list = node.floats('value_floats') ?? node.ints('value_ints') ?? [];
  if (list.length === 0) return node.refuse('its value is of a kind that is not understood; export it as a tensor');
  return { shape: [list.length], data: list };
}

function reshaped({ shape, data }: ConstantValue, wanted: readonly number[]): ConstantValue {
  return { shape: resolvedShape(shape, wanted), data };
}

/** A shape in which 0 stands for the same size, and -1 for what is left. */
export function resolvedShape(shape: readonly number[], wanted: readonly number[]): number[] {
  const sizes = wanted.map((size, axis) => (size === 0 ? (shape[axis] ?? 1) : size));
  const known = sizes.reduce((product, size) => (size < 0 ? product : product * size), 1);
  return sizes.map((size) => (size < 0 ? elementCount(shape) / known : size));
}

function transposed(
  { shape, data }: ConstantValue,
  perm: readonly number[] = shape.map((_, axis) => shape.length - 1 - axis),
): ConstantValue {
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const sizes = perm.map((axis) => shape[axis]!);
  const steps = perm.map((axis) => strides[axis]!);
  const result = Array.isArray(data) ? new Array<number>(data.length) : new Float32Array(data.length);
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from]!;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return { shape: sizes, data: result };
}
