import { openGpu } from '@alex/tensor';
import { measureRoofline } from '@alex/tensor/kernels';
import { environmentOf } from '../../environment.js';
import type { AdapterFinding } from '../findings.js';
import { formatRecord } from '../records.js';

/* Reports the adapter and its roofline: first without the measurement, which may hang. */

const adapter = process.env['ALEX_ADAPTER'];
const gpu = await openGpu(adapter ? { adapter } : {});
const limits: Record<string, number> = {};
for (const name in gpu.limits) {
  const value: unknown = gpu.limits[name as keyof typeof gpu.limits];
  if (typeof value === 'number') limits[name] = value;
}
const known: Omit<AdapterFinding, 'roofline'> = {
  kind: 'adapter',
  environment: environmentOf(gpu),
  computes: gpu.description.kind,
  features: [...gpu.features].sort(),
  limits,
  matrix: gpu.subgroupMatrix,
};
console.log(formatRecord({ ...known, roofline: { multiplyAddsPerSecond: 0, copyBytesPerSecond: 0 } }));
// At first, an idle GPU runs at a fraction of its clock.
await measureRoofline(gpu);
console.log(formatRecord({ ...known, roofline: await measureRoofline(gpu) }));
gpu.dispose();
