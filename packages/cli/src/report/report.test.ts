import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunDirectory } from '@alex/trainer';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { metricsOf, originOf, type WrittenRun, writeRun } from '../testing/written-run.js';
import { writeReport } from './write-report.js';

const directory = temporaryFolder();
let number = 0;

/** A run's report, and its text as a reader sees it. */
async function report(run: WrittenRun, more?: (written: RunDirectory) => void | Promise<void>) {
  const path = join(directory, `run-${++number}`);
  const written = await writeRun(path, run);
  await more?.(written);
  const html = await readFile(await writeReport(written), 'utf8');
  const text = html
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&#39;/g, "'")
    .replace(/\s+/g, ' ');
  return { path, html, text, status: /<p class="status">.*?<\/span> (.*?)<\/p>/.exec(html)?.[1] };
}

describe('a report of a run that', () => {
  it('has finished says so, and has a section for everything that its directory tells', async () => {
    const { html, status } = await report({}, (run) =>
      run.beginStretch(originOf(0)).end({ step: 4, outcome: 'finished' }),
    );
    expect(status).toBe('finished: 4 steps, 2 epochs');
    expect([...html.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id)).toEqual([
      ...['network', 'learning', 'errors', 'speed', 'environment', 'settings', 'again'],
    ]);
  });

  it('several ranks trained lists them, with measured and predicted times', async () => {
    const ranks = { hosts: ['alpha', 'beta'], predictedSeconds: 0.25, predictedAloneSeconds: 0.4 };
    const { text } = await report({}, (run) =>
      run.beginStretch({ ...originOf(0), ranks }).end({ step: 4, outcome: 'finished', rankSeconds: [0.26, 0.27] }),
    );
    expect(text).toContain('steps rank machine seconds per step predicted predicted for one rank alone');
    expect(text).toContain('0 to 4 0 alpha 0.26 0.25 0.4 0 to 4 1 beta 0.27 0.25 0.4');
  });

  it('was stopped, killed, or has not started shows its progress', async () => {
    const stopped = await report({ recipe: { steps: 9 }, hasFinished: false }, (run) =>
      run.beginStretch(originOf(0)).end({ step: 4, outcome: 'stopped' }),
    );
    expect(stopped.status).toBe('stopped after 4 of 9 steps, 2 epochs');
    const killed = await report(
      { recipe: { steps: 9 }, hasFinished: false },
      (run) => void run.beginStretch(originOf(0)),
    );
    expect(killed.status).toBe('unfinished: 4 of 9 steps, 2 epochs');
    expect(killed.text).toContain('not recorded: killed, or still running');
    expect((await report({ metrics: [], hasFinished: false })).status).toBe('no steps yet, of 4');
    // A run that had finished was made longer.
    expect((await report({ recipe: { steps: 9 } })).status).toBe('unfinished: 4 of 9 steps, 2 epochs');
  });

  it('diverged names step and layer; one that was rolled back says so', async () => {
    const divergence = { step: 5, loss: 'NaN', goodStep: 2, began: 'conv2' };
    const diverged = await report({ recipe: { steps: 9 }, hasFinished: false, divergence }, (run) =>
      run.beginStretch(originOf(0)).end({ step: 4, outcome: 'failed', reason: 'the loss became NaN' }),
    );
    expect(diverged.status).toBe('diverged at step 5: 4 of 9 steps, 2 epochs');
    expect(diverged.text).toContain('The loss became NaN at step 5; it started in conv2.');
    expect(diverged.text).toContain('failed: the loss became NaN');
    const { text, status } = await report({ metrics: metricsOf(6), recipe: { steps: 6 }, divergence }, (run) => {
      const provenance = run.beginStretch(originOf(0));
      provenance.problem('the loss became NaN at step 5. Continuing from step 2.');
      provenance.end({ step: 6, outcome: 'finished' });
    });
    expect(status).toBe('finished: 6 steps, 3 epochs');
    expect(text).toContain('it started in conv2; the run continued from an earlier step.');
    expect(text).toContain('Overcome: the loss became NaN at step 5. Continuing from step 2.');
  });

  it('failed otherwise says why', async () => {
    const { status, text } = await report({ recipe: { steps: 9 }, hasFinished: false }, (run) =>
      run.beginStretch(originOf(0)).end({ step: 4, outcome: 'failed', reason: 'no space is left on the disk' }),
    );
    expect(status).toBe('failed after 4 of 9 steps, 2 epochs');
    expect(text).toContain('failed: no space is left on the disk');
  });

  it('was resumed and changed by hand lists its processes, and the commands of each', async () => {
    const change = { step: 2, learningRate: { before: 0.01, after: 0.001 }, rateFactor: 0.1 };
    const { html, text } = await report({ recipe: { changes: [change] } }, (run) => {
      run.beginStretch(originOf(0)).end({ step: 2, outcome: 'stopped' });
      const command = ['train', '--run', "it's mine", '--resume', '--learning-rate', '0.001'];
      run.beginStretch(originOf(2, { command, version: '0.3.1' })).end({ step: 4, outcome: 'finished' });
    });
    expect(text).toContain('Resumed: trained in 2 stretches, from steps 0, 2 on.');
    expect(text).toContain('Changed by hand from step 2 on: learning rate 0.001 instead of 0.01.');
    expect(text).toContain('0 to 2 0.3.0');
    expect(text).toContain('2 to 4 0.3.1');
    expect(text).toContain('As it was trained, by @alex/cli 0.3.0 and 0.3.1:');
    expect(html).toContain('train --run &#39;it&#39;\\&#39;&#39;s mine&#39; --resume --learning-rate 0.001');
  });

  it('was fine-tuned, in mixed precision, with micro-batches, says all three', async () => {
    const { text } = await report({
      recipe: {
        startsFrom: { weights: '/runs/other', replaces: ['fc6'] },
        overrides: { conv1: { learningRateScale: 0 }, '*.bias': { learningRateScale: 2 } },
        precision: 'mixed',
        microBatch: 5,
      },
    });
    expect(text).toContain('Fine-tuned: starts from the weights of /runs/other; reinitialized: fc6.');
    expect(text).toContain('Kept as they were, bit for bit: conv1.');
    expect(text).toContain('Trained in mixed precision: activations and weights in 16 bits.');
    expect(text).toContain('Each step of 10 images consists of batches of 5.');
    expect(text).toContain('conv1: rate times 0; *.bias: rate times 2');
  });

  it('was trained on two adapters names them: for columns, memory and the process', async () => {
    const adapters = ['left', 'right'].map((name) => ({ ...originOf(0).adapters[0]!, name }));
    const by = (strategy: string) =>
      report({}, (run) => run.beginStretch(originOf(0, { adapters, strategy })).end({ step: 4, outcome: 'finished' }));
    const columns = await by('model');
    expect(columns.text).toContain('On 2 adapters, sharing the work by model.');
    expect(columns.html).toMatch(/<text[^>]*>column 2: right<\/text>/);
    expect(columns.text).toContain('adapter 1: left 7 MB');
    expect(columns.text).toContain('left and right (model)');
    const images = await by('data');
    expect(images.html).toMatch(/<text[^>]*>column 2<\/text>/);
  });

  it('took one step, or was never evaluated, shows what it has', async () => {
    const [first] = metricsOf(1);
    const { text, status } = await report({ metrics: [first!], recipe: { steps: 1 } });
    expect(status).toBe('finished: 1 step, 0.5 epochs');
    expect(text).toContain('There was no evaluation on held-out images.');
    expect(text).toContain('this run (small), not evaluated — —');
  });

  it('was trained by an earlier version omits what that did not record', async () => {
    const { html, text } = await report({});
    expect(text).toContain('Its provenance was not recorded');
    expect(html).not.toMatch(/<section id="environment"/);
    expect(text).not.toContain('Memory of the adapter');
    expect(text).toContain('From its configuration, with');
  });
});

describe("the run's errors", () => {
  const rowsOf = (html: string, caption: string) => {
    const table = html.split('<caption>').find((part) => part.startsWith(caption))!;
    return [...table.split('</table>')[0]!.matchAll(/<tr.*?<\/tr>/g)].map(([row]) =>
      [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell),
    );
  };

  it('are in the form of tables 1 and 2, below their printed rows', async () => {
    const { html } = await report({});
    expect(rowsOf(html, 'In the form of table 1')).toEqual([
      ['model', 'top-1', 'top-5'],
      ['Sparse coding', '47.1%', '28.2%'],
      ['SIFT + FVs', '45.7%', '25.7%'],
      ['CNN', '37.5%', '17.0%'],
      ['this run (small), one view, step 4', '25.0%', '0.0%'],
    ]);
    expect(rowsOf(html, 'In the form of table 2')).toEqual([
      ['model', 'top-1, validation', 'top-5, validation', 'top-5, test'],
      ['SIFT + FVs', '—', '—', '26.2%'],
      ['1 CNN', '40.7%', '18.2%', '—'],
      ['5 CNNs', '38.1%', '16.4%', '16.4%'],
      ['1 CNN*', '39.0%', '16.6%', '—'],
      ['7 CNNs*', '36.7%', '15.4%', '15.3%'],
      ['this run (small), one view, step 4', '25.0%', '0.0%', '—'],
    ]);
  });

  it('are marked as errors on other images, unless they are on the contest’s', async () => {
    expect((await report({})).text).toContain('The run used other images (my images, 3 classes)');
    const classes = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
    const hash = 'ab';
    const fingerprint = { train: { images: 1_281_167, hash }, validation: { images: 50_000, hash } };
    const { html, text } = await report({
      model: { variant: 'caffe', inputSize: 227 },
      data: { name: 'ImageNet (ILSVRC 2012)', classes, fingerprint, height: 256, width: 256 },
    });
    expect(text).toContain("The run's row is for the 50,000 validation images of ILSVRC-2012.");
    expect(rowsOf(html, 'This network elsewhere')[1]).toEqual([
      'Caffe, bvlc_alexnet: ILSVRC-2012 validation, one view',
      '42.9%',
      '19.8%',
    ]);
    // Of a thousand names, only the number is shown.
    expect(text).toContain('(1000 values)');
  });

  it('include the best evaluation as well as the last, if they differ, and those of the report', async () => {
    const metrics = metricsOf(4).map((line) => (line.step === 4 ? { ...line, top1Error: 0.9 } : line));
    const path = join(directory, 'best');
    const run = await writeRun(path, { metrics });
    const html = await readFile(
      await writeReport(run, { evaluations: [{ views: 10, top1Error: 0.125, top5Error: 0 }] }),
      'utf8',
    );
    expect(rowsOf(html, 'In the form of table 1').slice(4)).toEqual([
      ['this run (small), one view, step 4', '90.0%', '0.0%'],
      ['this run (small), one view, best, step 2', '50.0%', '0.0%'],
      ['this run (small), 10 views', '12.5%', '0.0%'],
    ]);
  });

  it("of CIFAR's networks are compared with cuda-convnet's", async () => {
    const data = { name: 'CIFAR-10', classes: [...'abcdefghij'] };
    const { html, text } = await report({ model: { variant: 'cifar-13pct', inputSize: 24 }, data });
    const rows = rowsOf(html, "cuda-convnet's nets".replace("'", '&#39;'));
    expect(rows.map(([, error]) => error)).toEqual(['error', '26%', '19%', '18%', '13%', '11%', '25.0%']);
    expect(text).not.toContain('In the form of table 2');
    expect(text).not.toContain('The run used other images');
  });
});

it('shows how prepared data were made, and omits long parts of the configuration', async () => {
  const source = join(directory, 'prepared');
  await mkdir(source);
  await writeFile(
    join(source, 'dataset.json'),
    JSON.stringify({ source: { kind: 'folder', from: ['my images'] }, preprocessing: { size: 32 } }),
  );
  const { text, html } = await report({
    data: { source },
    images: { meanImage: Buffer.alloc(12_288).toString('base64') },
  });
  expect(text).toContain('The images, prepared from my images:');
  expect(text).toContain(`prepare --source folder --from DOWNLOADS --to ${source} --size 32`);
  expect(text).toContain('(16384 characters)');
  expect(html).not.toContain('AAAAAAAAAAAAAAAAAAAA');
  // What was written stays JSON.
  const config = /<summary>The configuration \(config\.json\)<\/summary><pre><code>([\s\S]*?)<\/code>/.exec(html)![1]!;
  expect(JSON.parse(config.replaceAll('&quot;', '"')).recipe.schedule).toEqual({
    kind: 'step',
    factor: 0.1,
    epochs: [3],
  });
});
