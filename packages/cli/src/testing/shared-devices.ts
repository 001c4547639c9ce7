import { createRequire } from 'node:module';

/**
 * Set up before every test file of the command: a released device is kept, with its compiled kernels, for the next
 * command. Software drivers compile for many seconds what runs in a few milliseconds, and every command in this process
 * would start from nothing.
 */
interface Device extends EventTarget {
  destroy(): undefined;
}
interface Adapter {
  readonly info: { readonly device: string; readonly vendor: string };
  requestDevice(descriptor: object): Promise<Device>;
}

const patched = Symbol.for('@alex/cli: shared devices');

/** WebGPU as `@alex/tensor` finds it. */
const { globals } = createRequire(import.meta.resolve('@alex/tensor'))('webgpu') as {
  readonly globals: { readonly GPUAdapter: { readonly prototype: Adapter & { [patched]?: true } } };
};

const { prototype } = globals.GPUAdapter;
if (!prototype[patched]) {
  prototype[patched] = true;
  const { requestDevice } = prototype;
  const free = new Map<string, Device[]>();
  prototype.requestDevice = async function (descriptor) {
    const { device, vendor } = this.info;
    const key = JSON.stringify([device, vendor, descriptor]);
    const waiting = free.get(key) ?? [];
    free.set(key, waiting);
    const kept = waiting.pop();
    if (kept) return kept;
    const made = await requestDevice.call(this, descriptor);
    const addEventListener = made.addEventListener.bind(made);
    /** Removes the owner's listeners: a destroyed device would never call them again. */
    let owned = new AbortController();
    made.addEventListener = (type, listener, options) =>
      addEventListener(type, listener, { ...(typeof options === 'object' && options), signal: owned.signal });
    made.destroy = () => {
      // A second time is not a second device.
      if (waiting.includes(made)) return undefined;
      owned.abort();
      owned = new AbortController();
      waiting.push(made);
      return undefined;
    };
    return made;
  };
}
