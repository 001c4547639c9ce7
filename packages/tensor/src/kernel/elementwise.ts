import { ConfigError, ShapeError } from '../errors.js';
import { checkOptions, optionError } from '../option-checks.js';
import { gridOf, turnsOf } from './per-element.js';
import type { Elementwise, Recorder } from './recorder.js';
import { bytesPerBinding, bytesPerElement, type Tensor } from './tensor.js';
import { isWgslName } from './wgsl-words.js';

/**
 * Records an elementwise kernel. If the number of elements allows, four are loaded and stored at a time. Tensors larger
 * than a binding are processed chunk by chunk.
 *
 * @throws ConfigError for an invalid option, or a body that does not assign all of its outputs; ShapeError for a tensor that does
 * not have `elements` elements: no driver would stop a kernel beyond its end
 */
export function recordElementwise(recorder: Recorder, options: Elementwise): void {
  checkOptions(options?.label ?? 'recordElementwise', options, [
    'label',
    'scalars',
    'elements',
    'reads',
    'updates',
    'writes',
    'also',
    'functions',
    'body',
  ]);
  const { label, scalars, elements, reads = {}, updates = {}, writes = {}, also = {}, functions = '', body } = options;
  const loaded = { ...reads, ...updates };
  const stored = { ...updates, ...writes };
  if (Object.keys(stored).length === 0)
    throw new ConfigError(`${label}: has no outputs; name them in writes or updates`);
  if (typeof body !== 'string') throw optionError(label, 'body', 'WGSL that assigns the outputs', body);
  for (const name of Object.keys(stored)) {
    if (new RegExp(`\\b${name}\\b`).test(body)) continue;
    throw new ConfigError(`${label}: body never assigns its output ${name}; add ${name} = ...`);
  }
  for (const [name, tensor] of Object.entries({ ...loaded, ...stored })) {
    // The names of variables: the values of an element, its number, and the number of its unit.
    if (!isWgslName(name) || name === 'i' || name === 'unit') {
      throw new ConfigError(`${label}: ${name} is not a valid name in WGSL; use letters, digits and underscores`);
    }
    if (!tensor) throw new ShapeError(`${label}: ${name} must be a tensor, got ${String(tensor)}`);
    if (tensor.elements === elements) continue;
    throw new ShapeError(
      `${label}: ${name} has ${tensor.elements} elements, but the kernel is for ${elements}; tensors of other sizes belong in also`,
    );
  }
  const width = elements % 4 === 0 ? 4 : 1;
  const suffix = width === 4 ? '4' : '';
  const own = Object.entries({ ...loaded, ...stored });
  const ofUnit = `${Object.keys(loaded)
    .map((name) => `let all_${name} = load${suffix}_${name}(unit);`)
    .join('\n')}
${unitWgsl({ width, loaded, stored, body })}`;
  const kernel = {
    label,
    ...(scalars && { scalars }),
    reads: { ...reads, ...also },
    writes: stored,
    vectors: width === 4 ? own.map(([name]) => name) : [],
  };
  if (recorder.join?.({ ...kernel, functions, elements: elements / width, body: `let unit = i;\n${ofUnit}` })) return;
  const atOnce = elementsAtOnce(
    recorder,
    elements,
    own.map(([, tensor]) => tensor),
  );
  for (let first = 0; first < elements; first += atOnce) {
    const count = Math.min(atOnce, elements - first);
    const units = count / width;
    const { kind } = recorder.gpu.description;
    const grid = gridOf(units, turnsOf(units, kind), kind === 'hardware' ? 256 : undefined);
    recorder.dispatch({
      ...kernel,
      ...(atOnce < elements && { range: { of: elements, first, elements: count } }),
      workgroups: grid.workgroups,
      wgsl: `// Each invocation takes ${width === 4 ? 'four elements' : 'an element'} (a unit) at a time, neighbours side by side.
${functions}
fn atUnit(unit: u32) {
${ofUnit}
}
${grid.main('atUnit', first / width)}`,
    });
  }
}

/**
 * WGSL for a unit of one or four elements: runs `body` for each of them, with the values of `loaded`, which are available as
 * `all_NAME`, and stores what it assigns to those of `stored` at `unit`.
 */
export function unitWgsl(options: {
  readonly width: 1 | 4;
  readonly loaded: Readonly<Record<string, Pick<Tensor, 'dataType'>>>;
  readonly stored: Readonly<Record<string, Pick<Tensor, 'dataType'>>>;
  readonly body: string;
}): string {
  const { width, loaded, stored, body } = options;
  const suffix = width === 4 ? '4' : '';
  const variable = (name: string, { dataType }: Pick<Tensor, 'dataType'>, part: string) => {
    const value = name in loaded ? `all_${name}${part}` : dataType === 'u32' ? '0u' : '0.0';
    return `${name in stored ? 'var' : 'let'} ${name} = ${value};`;
  };
  const own = Object.entries({ ...loaded, ...stored });
  const element = (index: number) => {
    const part = width === 4 ? `.${'xyzw'[index]}` : '';
    return `{
let i = unit * ${width}u + ${index}u;
${own.map(([name, tensor]) => variable(name, tensor, part)).join('\n')}
${body}
${Object.keys(stored)
  .map((name) => `new_${name}${part} = ${name};`)
  .join('\n')}
}`;
  };
  return `${Object.entries(stored)
    .map(([name, tensor]) => `var new_${name}: ${unitType(tensor, width)};`)
    .join('\n')}
${Array.from({ length: width }, (_, index) => element(index)).join('\n')}
${Object.keys(stored)
  .map((name) => `store${suffix}_${name}(unit, new_${name});`)
  .join('\n')}`;
}

/** The type of a unit of a tensor's elements. */
export function unitType({ dataType }: Pick<Tensor, 'dataType'>, width: 1 | 4): string {
  const type = dataType === 'u32' ? 'u32' : 'f32';
  return width === 4 ? `vec4<${type}>` : type;
}

/** The number of elements that can be bound at once of each tensor. */
function elementsAtOnce({ gpu }: Recorder, elements: number, tensors: readonly Tensor[]): number {
  const sizes = tensors.map(({ dataType }) => bytesPerElement(dataType));
  const smallest = gpu.limits.minStorageBufferOffsetAlignment / Math.min(...sizes);
  const most = Math.floor(bytesPerBinding(gpu) / Math.max(...sizes) / smallest) * smallest;
  return elements <= most ? Math.max(1, elements) : most;
}
