import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { ConfigError, type Gpu, type Tensor } from '@alex/tensor';
import { type Dispatch, type KernelBinding, kernelText, measureRoofline, trafficOf } from '@alex/tensor/kernels';
import { type Precision, type RecordedProgram, recordPrograms } from '@alex/tensor/network';
import { openAdapters } from '../adapters.js';
import { exitCode } from '../failure.js';
import { alexnetCommand } from '../invocation.js';
import { belongsTo, type KernelChoice, kernelChoices, type MeasuredCandidate } from '../kernel-choices.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { defaultsOf } from '../recipes.js';
import { describeModel } from '../session.js';
import { applyTuning, openTuningCache, usualTuning } from '../tuning.js';

/** Options of `kernel`. */
export interface KernelCommandOptions extends AdapterOptions {
  readonly model?: string;
  readonly batch?: number;
  readonly precision?: Precision;
  readonly bytes?: boolean;
  readonly wgsl?: boolean;
  readonly candidates?: boolean;
}

const usualModel = 'paper';

/** Shows a kernel of a network as an adapter runs it, or lists all if none is named; returns the exit code. */
export async function kernelCommand(
  label: string | undefined,
  options: KernelCommandOptions,
  output: Output,
): Promise<number> {
  const { model: variant = usualModel, precision } = options;
  if (label === undefined && (options.wgsl || options.candidates)) {
    throw new ConfigError('--wgsl and --candidates need a kernel; name one, such as conv2/forward');
  }
  if (label !== undefined && options.bytes) {
    throw new ConfigError('--bytes lists all kernels; name none');
  }
  const description = describeModel({ variant });
  const batch = options.batch ?? defaultsOf(variant).batch;
  const compiled = { batch, loss: softmaxCrossEntropy(), optimizer: sgd(), ...(precision && { precision }) };
  const gpus = await openAdapters(options.adapters);
  try {
    const [gpu] = gpus as [Gpu, ...Gpu[]];
    if (gpus.length > 1) throw new ConfigError('--adapter: only one adapter is supported here; name one');
    await applyTuning(description, gpu, compiled, usualTuning);
    const programs = recordPrograms(description, gpu, compiled);
    const network = { model: description.name, batch, adapter: gpu.description.name };
    output.line(`${network.model}, ${batch} images per step, on ${network.adapter}`);
    if (options.bytes) output.result({ ...network, programs: listBytes(programs, output) });
    else if (label === undefined) output.result({ ...network, programs: listKernels(programs, output) });
    else output.result({ ...network, ...(await showKernel(gpu, programs, label, options, output)) });
    return exitCode.success;
  } finally {
    for (const gpu of gpus) gpu.dispose();
  }
}

/** Every kernel once, in the order in which it runs. */
function listKernels(programs: readonly RecordedProgram[], output: Output): Record<string, readonly string[]> {
  const labels = programs.map(
    ({ name, dispatches }) => [name, [...new Set(dispatches.map(({ label }) => label))]] as const,
  );
  for (const [name, kernels] of labels) {
    output.line(`${name}:`);
    for (const kernel of kernels) output.line(`  ${kernel}`);
  }
  return Object.fromEntries(labels);
}

/** Every dispatch in order, with the bytes of the tensors that it reads and of those that it writes. */
function listBytes(programs: readonly RecordedProgram[], output: Output) {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1).padStart(9);
  return Object.fromEntries(
    programs.map(({ name, dispatches }) => {
      const moved = dispatches.map((dispatch) => ({ label: dispatch.label, ...trafficOf(dispatch) }));
      const all = { label: `all of ${name}`, read: 0, written: 0 };
      for (const { read, written } of moved) {
        all.read += read;
        all.written += written;
      }
      const width = Math.max(...[...moved, all].map(({ label }) => label.length));
      output.line(`${`${name}:`.padEnd(width + 2)}  MB read    written`);
      for (const { label, read, written } of [...moved, all]) {
        output.line(`  ${label.padEnd(width)}${megabytes(read)}  ${megabytes(written)}`);
      }
      return [name, moved] as const;
    }),
  );
}

async function showKernel(
  gpu: Gpu,
  programs: readonly RecordedProgram[],
  label: string,
  { model = usualModel, wgsl = false, candidates = false }: KernelCommandOptions,
  output: Output,
) {
  const program = programWith(programs, label, model);
  output.line(`${label}, of the program ${program.name}`);
  const dispatches = program.dispatches.filter(belongsTo(label)).map((dispatch) => dispatchShown(gpu, dispatch));
  for (const dispatch of dispatches) showDispatch(dispatch, wgsl, output);
  const roofline = candidates ? await measureRoofline(gpu) : undefined;
  const cache = openTuningCache(output.line);
  const choices = [];
  for (const choice of kernelChoices(gpu, program, label)) {
    const measured = roofline && (await choice.measure(roofline, cache));
    showChoice(choice, measured, output);
    const { kernel, shape, choice: inUse, multiplyAdds, bytes } = choice;
    choices.push({ kernel, shape, choice: inUse, multiplyAdds, bytes, ...(measured && { candidates: measured }) });
  }
  return { program: program.name, dispatches, choices, ...(roofline && { roofline }) };
}

/** The program that contains the kernel: training comes first, even if evaluation has a kernel of that name. */
function programWith(programs: readonly RecordedProgram[], label: string, model: string): RecordedProgram {
  const having = programs.filter(({ dispatches }) => dispatches.some(belongsTo(label)));
  const found = having.find(({ name }) => name === 'train') ?? having[0];
  if (found) return found;
  const labels = new Set(programs.flatMap(({ dispatches }) => dispatches.map((dispatch) => dispatch.label)));
  const [layer] = label.split('/');
  const near = [...labels].filter((one) => one.split('/')[0] === layer);
  throw new ConfigError(
    `there is no kernel ${label}; ` +
      (near.length > 0
        ? `${layer} has ${near.join(', ')}`
        : `\`${alexnetCommand(['kernel', '--model', model])}\` lists all`),
  );
}

interface ShownDispatch {
  readonly label: string;
  readonly workgroups: readonly number[];
  readonly workgroupSize: string;
  readonly reads: Readonly<Record<string, string>>;
  readonly writes: Readonly<Record<string, string>>;
  readonly scalars: readonly string[];
  readonly bindings: readonly KernelBinding[];
  readonly wgsl: string;
}

function dispatchShown(gpu: Gpu, dispatch: Dispatch): ShownDispatch {
  const { label, workgroups, reads, writes, scalars = {} } = dispatch;
  const { text, bindings } = kernelText(gpu, dispatch);
  const shapes = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, { dataType, shape }]) => [name, `${dataType} [${shape.join(', ')}]`]),
    );
  return {
    label,
    workgroups: workgroups.map((count) => count ?? 1),
    workgroupSize: /@workgroup_size\(([^)]*)\)/.exec(text)?.[1] ?? '1',
    reads: shapes(reads),
    writes: shapes(writes),
    scalars: Object.keys(scalars),
    bindings,
    wgsl: text,
  };
}

function showDispatch(dispatch: ShownDispatch, wgsl: boolean, output: Output): void {
  const { label, workgroups, workgroupSize, reads, writes, scalars, bindings } = dispatch;
  output.line();
  output.line(label);
  output.line(`  workgroups: ${workgroups.join(' x ')}, of ${workgroupSize.replaceAll(', ', ' x ')} invocations`);
  for (const [name, tensor] of Object.entries(reads)) output.line(`  reads ${name}: ${tensor}`);
  for (const [name, tensor] of Object.entries(writes)) output.line(`  writes ${name}: ${tensor}`);
  if (scalars.length > 0) output.line(`  scalars: ${scalars.join(', ')}`);
  for (const [number, { names, access, firstElement, elements }] of bindings.entries()) {
    const range = `elements ${firstElement} to ${firstElement + elements - 1}`;
    output.line(`  binding ${number}: ${names.join(', ')}, ${access}, ${range}`);
  }
  if (wgsl) output.line(`\n${dispatch.wgsl.trim()}`);
}

function showChoice(
  { kernel, shape, choice, multiplyAdds, bytes }: KernelChoice,
  measured: readonly MeasuredCandidate[] | undefined,
  output: Output,
): void {
  output.line();
  output.line(shape === '' ? `${kernel}: there is only one candidate` : `${kernel} ${shape}`);
  const work = multiplyAdds > 0 ? `${(multiplyAdds / 1e6).toFixed(1)} million multiply-adds, ` : '';
  output.line(`  ${work}${(bytes / 1e6).toFixed(1)} MB read and written`);
  if (!measured) {
    if (choice !== null) output.line(`  in use: ${JSON.stringify(choice)}`);
    return;
  }
  output.line('         ms  of roofline  candidate');
  for (const { inUse, rooflineShare, ...timing } of measured) {
    const name = timing.choice === null ? 'the only one' : JSON.stringify(timing.choice);
    const used = inUse && timing.choice !== null ? '  <- in use' : '';
    output.line(
      'milliseconds' in timing
        ? `  ${timing.milliseconds.toFixed(3).padStart(9)}  ${percent(rooflineShare!).padStart(11)}  ${name}${used}`
        : `  ${'-'.padStart(9)}  ${'-'.padStart(11)}  ${name}${used}: ${timing.reason}`,
    );
  }
}
