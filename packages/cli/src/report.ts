import { join } from 'node:path';
import { reportHtml } from '@alex/report';
import type { RunDirectory } from '@alex/trainer';
import { changeInWords } from './change-in-words.js';
import { describeModel } from './session.js';
import type { ShownNetwork } from './shown-network.js';
import { writeResult } from './write-result.js';

/**
 * Writes `report.html` to a run's directory: curves and settings, and for a trained network the first layer's filters
 * and predictions.
 *
 * @returns the file's path
 */
export async function writeReport(run: RunDirectory, shown?: ShownNetwork): Promise<string> {
  const { model, data, recipe, images } = run.config;
  const html = await reportHtml({
    title: `${model.variant} on ${data.name}`,
    subtitle: `${data.classes.length} classes, ${recipe.steps} steps of ${recipe.batch} images`,
    metrics: await run.readMetrics(),
    ...(shown?.filters && { filters: shown.filters, filtersOptions: { columns: describeModel(model).columns } }),
    predictions: shown?.examples ?? [],
    settings: {
      model: model.variant,
      'network input': `${model.inputSize} x ${model.inputSize}`,
      images: `${data.source}, ${data.width} x ${data.height}`,
      classes: data.classes.length,
      batch: recipe.batch,
      steps: recipe.steps,
      seed: recipe.seed,
      'learning rate': recipe.learningRate,
      schedule: recipe.schedule.kind,
      momentum: recipe.momentum,
      'weight decay': recipe.weightDecay,
      crop: images.crop,
      mirror: images.mirror,
      'colour shifts': images.colour?.strength ?? 'none',
      ...(recipe.changes && { 'changed by hand': recipe.changes.map(changeInWords).join('; ') }),
    },
  });
  const path = join(run.path, 'report.html');
  await writeResult(path, html);
  return path;
}
