import { readFile } from 'node:fs/promises';
import { pageColours } from './palette.js';

/** A file of the dashboard's page. */
export interface DashboardFile {
  readonly type: string;
  readonly content: Buffer;
}

/** The page's modules; `page.js` imports the others. */
const scripts = ['page.js', 'curves.js', 'figures.js', 'images.js', 'history.js', 'numbers.js', 'elements.js'];

/** Next to `src` and `dist`. */
const own = (name: string) => new URL(`../assets/dashboard/${name}`, import.meta.url);
const uplot = (name: string) => new URL(import.meta.resolve(`uplot/dist/${name}`));

/**
 * The files of a page that shows a training run live, by the path that each is served at. The page requests nothing
 * else except `/events`, a stream of server-sent events ({@link DashboardEvents}).
 */
export async function dashboardFiles(): Promise<ReadonlyMap<string, DashboardFile>> {
  const script = 'text/javascript; charset=utf-8';
  const style = 'text/css; charset=utf-8';
  const files: [path: string, type: string, content: Promise<Buffer>][] = [
    ['/', 'text/html; charset=utf-8', readFile(own('index.html'))],
    ...scripts.map((name): [string, string, Promise<Buffer>] => [`/${name}`, script, readFile(own(name))]),
    ['/page.css', style, readFile(own('page.css')).then((css) => Buffer.from(`${pageColours}\n${css}`))],
    // Draws curves of a hundred thousand points in milliseconds.
    ['/uplot.js', script, readFile(uplot('uPlot.esm.js'))],
    ['/uplot.css', style, readFile(uplot('uPlot.min.css'))],
  ];
  return new Map(
    await Promise.all(files.map(async ([path, type, content]) => [path, { type, content: await content }] as const)),
  );
}

/** Lines of metrics by column, all of the same length: a compact form of a long history. */
export interface MetricColumns {
  readonly step: number[];
  readonly epoch: number[];
  readonly loss: number[];
  readonly top1Error: number[];
  readonly top5Error: number[];
  readonly learningRate: number[];
  readonly imagesPerSecond: number[];
}

/** The data of each event, by its name; all are JSON. */
export interface DashboardEvents {
  /** The first event after a connection: what is being trained. */
  readonly run: { readonly title: string; readonly subtitle: string; readonly steps: number; readonly batch: number };
  /** All lines of metrics so far; replaces what the page had. */
  readonly history: { readonly train: MetricColumns; readonly val: MetricColumns };
  /**
   * Orders metrics by step. If a split has a step twice, because the run was resumed from an earlier step, the later
   * line counts.
   *
   * @throws `DataError` for a line with a value that cannot be drawn.
   */
  readonly points: { readonly train: MetricColumns; readonly val: MetricColumns };
  readonly state: {
    readonly state: 'training' | 'evaluating' | 'finished' | 'stopped';
    readonly evaluating?: { readonly images: number; readonly of: number };
  };
  /** Bytes on the adapter. */
  readonly memory: { readonly liveBytes: number; readonly parameterBytes: number; readonly activationBytes: number };
  /** Images to predict; `url` is a `data:` address. */
  readonly images: readonly { readonly url: string; readonly label: string; readonly name: string }[];
  /** The predicted classes of each image, most likely first. */
  readonly predictions: {
    readonly step: number;
    readonly predictions: readonly (readonly { readonly label: string; readonly probability: number }[])[];
  };
  /** `colourfulness` of each column, from 0 to 1, if the filters see colours. */
  readonly filters: { readonly step: number; readonly url: string; readonly colourfulness?: readonly number[] };
}
