import { ConfigError, listAdapters, openGpu } from '@alex/tensor';
import { measureRoofline } from '@alex/tensor/kernels';
import { chooseAdapters } from '../adapters.js';
import { exitCode } from '../failure.js';
import type { Output } from '../output.js';
import { openTuningCache } from '../tuning.js';
import type { TuneCommandOptions } from './tune.js';

/** Limits that decide what fits on an adapter. */
const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
] as const;

/** Lists the adapters, their limits and their measured speed; returns the exit code. */
export async function devicesCommand(options: Omit<TuneCommandOptions, 'tune'>, output: Output): Promise<number> {
  for (const name of ['to', 'model', 'batch', 'precision'] as const) {
    if (options[name] !== undefined) throw new ConfigError(`--${name} only works with --tune; give that as well`);
  }
  const cache = openTuningCache(output.line);
  const all = await listAdapters();
  const adapters = options.adapters === undefined ? all : chooseAdapters(all, options.adapters);
  // If there is no adapter, the error says what to install.
  if (adapters.length === 0) (await openGpu()).dispose();
  const devices = [];
  for (const adapter of adapters) {
    const gpu = await openGpu({ adapter: adapter.index });
    try {
      const limits = Object.fromEntries(shownLimits.map((name) => [name, gpu.limits[name]]));
      const roofline = await measureRoofline(gpu);
      const features = [...gpu.features].sort();
      const tunings = (await cache?.load(adapter))?.size ?? 0;
      devices.push({ ...adapter, tunings, subgroupSize: gpu.subgroupSize, features, limits, roofline });
      output.line(`${adapter.index}: ${adapter.name}${adapter.bus === undefined ? '' : ` at ${adapter.bus}`}`);
      if (adapter.outOfReach) {
        output.line(`   ${adapter.outOfReach} more adapters of this name are out of reach: see docs/adapters.md`);
      }
      output.line(`   ${adapter.kind}${adapter.embedded ? ', embedded' : ''}, driver ${adapter.driver || 'unnamed'}`);
      output.line(
        `   measured: ${(roofline.multiplyAddsPerSecond / 1e9).toFixed(1)} billion multiply-adds per second, ` +
          `copies ${(roofline.copyBytesPerSecond / 1e9).toFixed(1)} GB per second`,
      );
      output.line(`   tuned: ${tunings === 0 ? 'nothing yet' : `${tunings} kernels`}`);
      output.line(`   features: ${features.join(', ') || 'none'}`);
      for (const [name, value] of Object.entries(limits)) output.line(`   ${name}: ${value.toLocaleString('en-US')}`);
    } finally {
      gpu.dispose();
    }
  }
  output.result(devices);
  return exitCode.success;
}
