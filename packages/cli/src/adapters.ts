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
  /** Called for an adapter that cannot be opened, if another one can, which is then enough. */
  readonly onMissing?: ((error: AdapterError) => void) | undefined;
}

/**
 * Opens the adapters that the user named: one by a part of its name, its number or its bus address, or several
 * separated by commas. Default: the best one. The same name twice means two cards of that name if there are two,
 * otherwise one card opened twice.
 *
 * @throws ConfigError if there is no such adapter; AdapterError if there is none at all
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

/** Leaves the cores to software drivers. */
function leftToCompute(gpus: Gpu[]): Gpu[] {
  if (gpus.every(({ description }) => description.kind === 'software')) pollPatiently();
  return gpus;
}

/**
 * The adapters that the user means by names, numbers or bus addresses, separated by commas.
 *
 * @throws ConfigError if one does not exist
 */
export function chooseAdapters(adapters: readonly AdapterDescription[], text: string): AdapterDescription[] {
  // The whole text first: adapters have commas in their names, such as `llvmpipe (LLVM 15.0.6, 256 bits)`.
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
    `there is no adapter ${text.trim()}; select one by part of its name or by its number: ${names || 'none found'}`,
  );
}
