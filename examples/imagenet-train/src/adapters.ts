import { type AdapterDescription, ConfigError, type Gpu, type GpuOptions, listAdapters, openGpu } from '@alex/tensor';

/**
 * Opens the adapters that a person named: one by a part of its name or its number, several with commas between; the
 * best one where nothing is named.
 *
 * @throws ConfigError where there is no such adapter; AdapterError where there is none at all
 */
export async function openAdapters(text: string | undefined, options: GpuOptions = {}): Promise<Gpu[]> {
  if (text === undefined || text.trim() === '') return [await openGpu(options)];
  const adapters = await listAdapters();
  // Whole first: adapters have commas in their names, `llvmpipe (LLVM 15.0.6, 256 bits)`.
  const whole = find(adapters, text);
  const wanted = whole ? [whole] : text.split(',').map((part) => find(adapters, part) ?? unknown(part, adapters));
  const gpus: Gpu[] = [];
  for (const { index } of wanted) gpus.push(await openGpu({ ...options, adapter: index }));
  return gpus;
}

function find(adapters: readonly AdapterDescription[], text: string): AdapterDescription | undefined {
  const name = text.trim().toLowerCase();
  if (/^\d+$/.test(name)) return adapters[Number(name)];
  return name === '' ? undefined : adapters.find((adapter) => adapter.name.toLowerCase().includes(name));
}

function unknown(text: string, adapters: readonly AdapterDescription[]): never {
  const names = adapters.map(({ index, name }) => `${index}: ${name}`).join('; ');
  throw new ConfigError(
    `there is no adapter ${text.trim()}; choose by a part of the name or the number: ${names || 'none found'}`,
  );
}
