import { readFile, writeFile } from 'node:fs/promises';
import type { Dataset } from '@alex/data';
import { type DashboardEvents, dashboardFiles, filters, imageAddress } from '@alex/report';
import { AdapterError } from '@alex/tensor';
import { colourfulness, predict, type RunDirectory, type TrainingEvent } from '@alex/trainer';
import { type ExampleImages, readExampleImages } from '../examples.js';
import type { Session } from '../session.js';
import type { DashboardAddress } from './dashboard-address.js';
import { LocalServer, type Tell } from './local-server.js';
import { MetricHistory } from './metric-history.js';

/** Number of images that are predicted repeatedly. */
const shownImages = 8;
/** Side of an image on the page, in pixels. */
const imageSide = 240;
/** Approximate side of a filter on the page. */
const filterSide = 44;
/** Milliseconds between messages with new points. */
const pointsEvery = 250;
/** Least milliseconds between updates of filters and predictions. */
const lookEvery = 2000;
/** The most time that they may take, as a fraction. */
const lookShare = 0.02;

export interface DashboardOptions {
  readonly run: RunDirectory;
  /** The current session: a new one after an adapter was lost. */
  readonly session: () => Pick<Session, 'network' | 'augmenter' | 'gpus'>;
  readonly dataset: Dataset;
  readonly title: string;
  readonly subtitle: string;
  readonly address: DashboardAddress;
  /** Called with errors; training continues without the dashboard. */
  readonly say: (line: string) => void;
}

/**
 * Shows a training run on a local page while it runs. It has no overhead while no page is open. For an open page, filters
 * and predictions are computed every few seconds, between two steps.
 */
export class Dashboard {
  readonly #options: DashboardOptions;
  readonly #history = new MetricHistory();
  readonly #new = new MetricHistory();
  readonly #images: ExampleImages;
  readonly #imageAddresses: DashboardEvents['images'];
  /** The weight of the first layer with parameters. */
  readonly #firstWeight: { readonly path: string; readonly drawable: boolean };
  #server!: LocalServer;
  #state: DashboardEvents['state'] = { state: 'training' };
  #predictions: DashboardEvents['predictions'] | undefined;
  #filters: DashboardEvents['filters'] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextLook = 0;

  private constructor(options: DashboardOptions, images: ExampleImages, addresses: DashboardEvents['images']) {
    this.#options = options;
    this.#images = images;
    this.#imageAddresses = addresses;
    const [weight] = options.session().network.description.layers.flatMap(({ parameters }) => parameters);
    const channels = weight?.shape[1];
    this.#firstWeight = {
      path: weight?.path ?? '',
      drawable: weight?.shape.length === 4 && (channels === 1 || channels === 3),
    };
  }

  /** Serves the page: on the port that the run's page had before, if it is free. */
  static async open(options: DashboardOptions): Promise<Dashboard> {
    const { run, dataset } = options;
    const images = await readExampleImages(dataset, shownImages);
    const addresses = await Promise.all(
      images.examples.map(async ({ image, label, name }) => ({
        url: await imageAddress(name, image, imageSide),
        label,
        name,
      })),
    );
    const dashboard = new Dashboard(options, images, addresses);
    for (const metrics of await run.readMetrics()) dashboard.#history.add(metrics);
    const last = await lastServed(run);
    dashboard.#server = await LocalServer.start({
      ...options.address,
      preferredPort: last.port,
      token: last.token,
      files: await dashboardFiles(),
      welcome: (tell) => dashboard.#welcome(tell),
    });
    const { port, token } = dashboard.#server;
    // Only readers of the run may see the token.
    await writeFile(run.dashboardFile, `${JSON.stringify({ port, token })}\n`, { mode: 0o600 }).catch((error: Error) =>
      options.say(`The dashboard's port could not be saved: ${error.message}`),
    );
    return dashboard;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Records an event of the training run. */
  show(event: TrainingEvent): void {
    switch (event.kind) {
      case 'start':
        this.#history.rewind(event.step);
        this.#tell('history', this.#history.columns);
        this.#setState({ state: 'training' });
        break;
      case 'step':
      case 'validation':
        this.#history.add(event.metrics);
        this.#new.add(event.metrics);
        this.#timer ??= setTimeout(() => this.#flush(), pointsEvery);
        if (this.#state.state !== 'training') this.#setState({ state: 'training' });
        break;
      case 'evaluating':
        this.#setState({ state: 'evaluating', evaluating: { images: event.images, of: event.of } });
        break;
      default:
        break;
    }
  }

  /** Call this when network and augmenter are free: updates filters and predictions if they are due. */
  look(): Promise<void> | undefined {
    if (this.#server.pages === 0 || performance.now() < this.#nextLook) return undefined;
    return this.#look();
  }

  /** Shows how the training ended, and closes the page's connections. */
  async close(finished: boolean): Promise<void> {
    try {
      if (this.#server.pages > 0 && finished) await this.#look();
    } finally {
      this.#flush();
      this.#setState({ state: finished ? 'finished' : 'stopped' });
      await this.#server.close();
    }
  }

  async #look(): Promise<void> {
    const { network, augmenter, gpus } = this.#options.session();
    const begin = performance.now();
    try {
      const step = network.stepCount;
      const { classes } = this.#options.dataset;
      const found = await predict({ network, augmenter }, this.#images.batch);
      this.#predictions = {
        step,
        predictions: found.map((guesses) =>
          guesses.map(({ label, probability }) => ({ label: classes[label]!, probability })),
        ),
      };
      this.#tell('predictions', this.#predictions);
      if (this.#firstWeight.drawable) {
        const { path } = this.#firstWeight;
        const weight = (await network.parameters([path]))[path]!;
        const scale = Math.max(1, Math.round(filterSide / weight.shape[3]!));
        const { columns } = network.description;
        const image = await filters(weight, { columns, scale });
        this.#filters = {
          step,
          url: `data:image/png;base64,${image.toString('base64')}`,
          ...(weight.shape[1] === 3 && { colourfulness: colourfulness(weight, columns) }),
        };
        this.#tell('filters', this.#filters);
      }
      this.#tell('memory', this.#memory());
    } catch (error) {
      // Training handles a lost adapter itself; any other error of the dashboard must not end it.
      if (error instanceof AdapterError) throw error;
      this.#options.say(`The dashboard: ${(error as Error).message}`);
    } finally {
      const now = performance.now();
      this.#nextLook = now + Math.max(lookEvery, (now - begin) / lookShare);
    }
    for (const gpu of gpus) gpu.check();
  }

  #memory(): DashboardEvents['memory'] {
    const { network, gpus } = this.#options.session();
    const { parameterBytes, activationBytes } = network.memory();
    return { liveBytes: gpus.reduce((sum, { liveBytes }) => sum + liveBytes, 0), parameterBytes, activationBytes };
  }

  #welcome(tell: Tell): void {
    const { title, subtitle, run } = this.#options;
    const { steps, batch } = run.config.recipe;
    // Pending events are already in the history.
    this.#flush();
    tell('run', { title, subtitle, steps, batch });
    tell('history', this.#history.columns);
    tell('memory', this.#memory());
    tell('images', this.#imageAddresses);
    if (this.#predictions) tell('predictions', this.#predictions);
    if (this.#filters) tell('filters', this.#filters);
    tell('state', this.#state);
    this.#nextLook = 0;
  }

  #setState(state: DashboardEvents['state']): void {
    this.#state = state;
    this.#tell('state', state);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#new.isEmpty) return;
    this.#tell('points', this.#new.columns);
    this.#new.clear();
  }

  #tell<Name extends keyof DashboardEvents>(event: Name, data: DashboardEvents[Name]): void {
    this.#server.tell(event, data);
  }
}

/** The last address of the run's page, so that a page that is still open finds it again. */
async function lastServed(run: RunDirectory): Promise<{ port?: number; token?: string }> {
  try {
    const noted: { port?: unknown; token?: unknown } = JSON.parse(await readFile(run.dashboardFile, 'utf8'));
    const { port, token } = noted;
    const isPort = typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65536;
    return { ...(isPort && { port }), ...(typeof token === 'string' && /^[\w-]{24}$/.test(token) && { token }) };
  } catch {
    return {};
  }
}
