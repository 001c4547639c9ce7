import { openGpu } from '../adapter/adapters.js';
import { serveTrials } from './serve-trials.js';

// A trial process on a driver whose compiler does to the process what the kernel's text says, such as crashing it.
const deeds: Readonly<Record<string, (device: { destroy(): undefined }) => void>> = {
  crash: () => void process.kill(process.pid, 'SIGSEGV'),
  exit: () => process.exit(3),
  hang: () => {
    for (;;);
  },
  lose: (device) => device.destroy(),
  throw: () => {
    throw new Error('the compiler gives up');
  },
  interrupt: () => void process.kill(process.pid, 'SIGTERM'),
};

serveTrials(async (options) => {
  const gpu = await openGpu(options);
  const { device } = gpu;
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    deeds[/treachery: (\w+)/.exec(descriptor.code)?.[1] ?? '']?.(device);
    return createShaderModule(descriptor);
  };
  return gpu;
});
