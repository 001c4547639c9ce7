import { readFile } from 'node:fs/promises';
import { pageColours } from './palette.js';

/** A file of the dashboard's page. */
export interface DashboardFile {
  readonly type: string;
  readonly content: Buffer;
}

/** The page's modules; `page.js` imports the others. */
const scripts = ['page.js', 'curves.js', 'figures.js', 'images.js', 'history.js', 'numbers.js', 'elements.js'];

/** Beside `src` and `dist`. */
const own = (name: string) => new URL(`../assets/dashboard/${name}`, import.meta.url);
const uplot = (name: string) => new URL(import.meta.resolve(`uplot/dist/${name}`));

/**
 * The files of a page that shows a training while it runs, by the path that each is served at. The page asks for
 * nothing else but `/events`, a stream of server-sent events; what they tell is {@link DashboardEvents}.
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

/** Lines of metrics by column, all of one length: a long history in little space. */
export interface MetricColumns {
  readonly step: number[];
  readonly epoch: number[];
  readonly loss: number[];
  readonly top1Error: number[];
  readonly top5Error: number[];
  readonly learningRate: number[];
  readonly imagesPerSecond: number[];
}

/** What the page is told, by the name of the event; each is JSON. */
export interface DashboardEvents {
  /** The first after a connection: what is trained. */
  readonly run: { readonly title: string; readonly subtitle: string; readonly steps: number; readonly batch: number };
  /** Every line of metrics so far; takes the place of what the page had. */
  readonly history: { readonly train: MetricColumns; readonly val: MetricColumns };
  /** Further lines. */
  readonly points: { readonly train: MetricColumns; readonly val: MetricColumns };
  readonly state: {
    readonly state: 'training' | 'evaluating' | 'finished' | 'stopped';
    readonly evaluating?: { readonly images: number; readonly of: number };
  };
  /** Bytes on the adapter. */
  readonly memory: { readonly liveBytes: number; readonly parameterBytes: number; readonly activationBytes: number };
  /** Images to predict; `url` is a `data:` address. */
  readonly images: readonly { readonly url: string; readonly label: string; readonly name: string }[];
  /** What each of them is taken for, the most likely first. */
  readonly predictions: {
    readonly step: number;
    readonly predictions: readonly (readonly { readonly label: string; readonly probability: number }[])[];
  };
  /** `colourfulness` of each column, from 0 to 1, where the filters see colours. */
  readonly filters: { readonly step: number; readonly url: string; readonly colourfulness?: readonly number[] };
}
