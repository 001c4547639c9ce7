import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { openGpu } from '@alex/tensor';
import { compileKernels } from '@alex/tensor/kernels';

const [, , precision = 'float32', batch = '128'] = process.argv;
const t0 = performance.now();
const gpu = await openGpu({ adapter: process.env['ALEX_ADAPTER'] });
console.log(gpu.description.name, gpu.description.kind);
const d = alexnet({ variant: 'paper' });
const network = place(d, [gpu], { batch: +batch, precision: precision as any });
console.log('placed', performance.now() - t0);
await compileKernels(gpu);
console.log('compiled', performance.now() - t0);
const labels = Array.from({ length: +batch }, (_, i) => i % 1000);
await network.step(network.input, labels);
console.log('first', performance.now() - t0);
for (let round = 0; round < 8; round++) {
  const submit: number[] = [],
    all: number[] = [];
  const c0 = process.cpuUsage();
  for (let i = 0; i < 30; i++) {
    const a = performance.now();
    const s = await network.submitStep(network.input, labels);
    const b = performance.now();
    await s.result();
    submit.push(b - a);
    all.push(performance.now() - a);
  }
  const c = process.cpuUsage(c0);
  submit.sort((a, b) => a - b);
  all.sort((a, b) => a - b);
  console.log(
    'submit median',
    submit[15].toFixed(2),
    'min',
    submit[0].toFixed(2),
    'whole',
    all[15].toFixed(2),
    'min',
    all[0].toFixed(2),
    'cpu per step',
    ((c.user + c.system) / 1000 / 30).toFixed(2),
  );
}
gpu.dispose();
process.exit(0);
