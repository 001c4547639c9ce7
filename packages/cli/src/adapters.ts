import {
  type AdapterDescription,
  AdapterError,
  ConfigError,
  type Gpu,
  type GpuOptions,
  listAdapters,
  openGpu,
  pollPatiently,
} from '@alex/tensor';

/** How adapters are opened. */
export interface OpenAdaptersOptions extends GpuOptions {
  /** Told of an adapter that cannot be opened where another one can, which is enough then. */
  readonly onMissing?: ((error: AdapterError) => void) | undefined;
}

/**
 * Opens the adapters that a person named: one by a part of its name, its number or its bus address, several with commas
 * between; the best one where nothing is named. A name that is given twice means two cards of that name where there are two,
 * and one that is opened twice where there is one.
 *
 * @throws ConfigError where there is no such adapter; AdapterError where there is none at all
 */
export async function openAdapters(text: string | undefined, options: OpenAdaptersOptions = {}): Promise<Gpu[]> {
  const { onMissing, ...gpuOptions } = options;
  if (text === undefined || text.trim() === '') return leftToCompute([await openGpu(gpuOptions)]);
  const gpus: Gpu[] = [];
  let missing: AdapterError | undefined;
  for (const { index } of chooseAdapters(await listAdapters(), text)) {
    try {
      gpus.push(await openGpu({ ...gpuOptions, adapter: index }));
    } catch (error) {
      if (!(error instanceof AdapterError && onMissing)) {
        for (const gpu of gpus) gpu.dispose();
        throw error;
      }
      missing = error;
    }
  }
  if (missing && gpus.length === 0) throw missing;
  if (missing) onMissing?.(missing);
  return leftToCompute(gpus);
}

/** Leaves the cores to drivers that compute on them. */
function leftToCompute(gpus: Gpu[]): Gpu[] {
  if (gpus.every(({ description }) => description.kind === 'software')) pollPatiently();
  return gpus;
}

/**
 * Which of the adapters a person means by names, numbers or bus addresses with commas between.
 *
 * @throws ConfigError where one is not there
 */
export function chooseAdapters(adapters: readonly AdapterDescription[], text: string): AdapterDescription[] {
  // Whole first: adapters have commas in their names, `llvmpipe (LLVM 15.0.6, 256 bits)`.
  const whole = find(adapters, text);
  if (whole) return [whole];
  const chosen: AdapterDescription[] = [];
  for (const part of text.split(',')) {
    const found = find(adapters, part) ?? unknown(part, adapters);
    const byName = !isNumber(part) && found.bus !== part.trim();
    const twin = adapters.find(({ name }, index) => name === found.name && !chosen.includes(adapters[index]!));
    chosen.push((byName && twin) || found);
  }
  return chosen;
}

function find(adapters: readonly AdapterDescription[], text: string): AdapterDescription | undefined {
  const wanted = text.trim().toLowerCase();
  if (isNumber(wanted)) return adapters[Number(wanted)];
  if (wanted === '') return undefined;
  return adapters.find(({ name, bus }) => name.toLowerCase().includes(wanted) || bus === wanted);
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text.trim());
}

function unknown(text: string, adapters: readonly AdapterDescription[]): never {
  const names = adapters.map(({ index, name }) => `${index}: ${name}`).join('; ');
  throw new ConfigError(
    `there is no adapter ${text.trim()}; choose by a part of the name or the number: ${names || 'none found'}`,
  );
}
