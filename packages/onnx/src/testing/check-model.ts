import { decode } from '../protobuf/codec.js';
import { attributeTypes, modelProto, type NodeProto, type ValueProto } from '../protobuf/messages.js';

/**
 * The rules of ONNX's own checker (`onnx/checker.cc`) that concern the models of this package: versions, one definition for each name, nodes in the
 * order in which they compute, types and shapes of inputs and outputs, attributes of the type that they say, constants as large as
 * their shapes.
 *
 * @returns what is wrong
 */
export function faultsOf(bytes: Uint8Array): string[] {
  const { irVersion = 0, operatorSets, graph } = decode(modelProto, bytes);
  const faults: string[] = [];
  if (irVersion < 3 || irVersion > 10) faults.push(`the IR version is ${irVersion}`);
  if (operatorSets.filter(({ domain = '' }) => domain === '').length !== 1) faults.push('no operator set, or several');
  if (!graph) return [...faults, 'no graph'];
  if (!graph.name) faults.push('the graph has no name');
  const known = new Set<string>(['']);
  const define = (name = '', what: string) => {
    if (name === '') faults.push(`${what} has no name`);
    else if (known.has(name)) faults.push(`${name} is defined twice`);
    known.add(name);
  };
  for (const { name, dims, dataType, raw } of graph.initializers) {
    define(name, 'an initializer');
    const width = { 1: 4, 7: 8 }[dataType ?? 0];
    const elements = dims.reduce((product, size) => product * size, 1);
    if (width === undefined || raw?.length !== width * elements) faults.push(`${name} is not as large as its shape`);
  }
  for (const input of graph.inputs) {
    define(input.name, 'an input');
    if (!isTyped(input)) faults.push(`the input ${input.name} has no type or shape`);
  }
  for (const node of graph.nodes) {
    if (!node.operator) faults.push(`${node.name} has no operator`);
    for (const input of node.inputs)
      if (!known.has(input)) faults.push(`${node.name} reads ${input} before it is there`);
    for (const output of node.outputs) define(output, `an output of ${node.name}`);
    faults.push(...attributeFaults(node));
  }
  for (const output of graph.outputs) {
    if (!known.has(output.name ?? '')) faults.push(`nothing computes the output ${output.name}`);
    if (!isTyped(output)) faults.push(`the output ${output.name} has no type or shape`);
  }
  for (const value of graph.values) {
    if (!known.has(value.name ?? '')) faults.push(`${value.name} is described, but not there`);
    if (!isTyped(value)) faults.push(`${value.name} is described without a type or a shape`);
  }
  return faults;
}

function isTyped({ type }: ValueProto): boolean {
  const dims = type?.tensor?.shape?.dims ?? [];
  return (
    type?.tensor?.elementType === 1 && dims.length > 0 && dims.every(({ value, name }) => (value ?? 0) > 0 || name)
  );
}

function attributeFaults({ name: node, attributes }: NodeProto): string[] {
  return attributes.flatMap(({ name, type, float, int, ints }) => {
    const held = { float: float !== undefined, int: int !== undefined, ints: ints.length > 0 };
    const holds = Object.entries(held).flatMap(([kind, isHeld]) => (isHeld ? [kind] : []));
    const says = Object.entries(attributeTypes).find(([, number]) => number === type)?.[0];
    return holds.length === 1 && holds[0] === says ? [] : [`${node}: ${name} says ${says}, and holds ${holds}`];
  });
}
