import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DashboardFile } from '@alex/report';
import { AlexError } from '@alex/tensor';

/** Tells one page something: the name of an event and its data. */
export type Tell = (event: string, data: unknown) => void;

/** Only this machine can reach it. */
const address = '127.0.0.1';

/** Nothing is loaded from elsewhere, and no other page may hold this one or read what it shows. */
const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A page that does not read what it is told is left alone when so much waits for it. */
const mostWaitingBytes = 2 ** 26;

/** Milliseconds until a page that lost the connection tries again. */
const retryAfter = 1000;

export interface LocalServerOptions {
  /** Used where it is free; otherwise the system chooses one. */
  readonly port?: number | undefined;
  readonly files: ReadonlyMap<string, DashboardFile>;
  /** Tells a page that has just come all that it must know. */
  welcome(tell: Tell): void;
}

/**
 * Serves a few files from memory, and a stream of events at `/events`, to browsers on this machine. No path leads to a
 * file on the disk; a request must name this server as its host, so that no page from elsewhere can reach it by a name of its
 * own that leads here.
 */
export class LocalServer {
  readonly #server: Server;
  readonly #pages = new Set<ServerResponse>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AlexError where no port can be had */
  static async start({ port, files, welcome }: LocalServerOptions): Promise<LocalServer> {
    const server = createServer((request, response) => local.#answer(request, response, files, welcome));
    const local = new LocalServer(server);
    try {
      await listen(server, port ?? 0).catch(() => listen(server, 0));
    } catch (error) {
      throw new AlexError(`the dashboard cannot be served: ${(error as Error).message}`, { cause: error });
    }
    return local;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${address}:${this.port}/`;
  }

  /** How many pages listen. */
  get pages(): number {
    return this.#pages.size;
  }

  /** Tells every page that is open. */
  readonly tell: Tell = (event, data) => {
    const message = messageOf(event, data);
    for (const page of this.#pages) {
      if (page.writableLength > mostWaitingBytes) page.destroy();
      else page.write(message);
    }
  };

  /** Ends every connection. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const page of this.#pages) page.end();
    // What has been told is on its way to the pages; what they keep open for later is not waited for.
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), 500);
    await closed;
    clearTimeout(late);
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    files: LocalServerOptions['files'],
    welcome: LocalServerOptions['welcome'],
  ): void {
    const refuse = (status: number, reason: string, more: Record<string, string> = {}) => {
      response
        .writeHead(status, { ...headers, ...more, 'Content-Type': 'text/plain; charset=utf-8' })
        .end(`${reason}\n`);
    };
    const { host } = request.headers;
    if (host !== `${address}:${this.port}` && host !== `localhost:${this.port}`) {
      refuse(403, `This page is only at ${this.url}`);
      return;
    }
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (!reads) {
      refuse(405, 'There is nothing to change here.', { Allow: 'GET, HEAD' });
      return;
    }
    const path = request.url?.replace(/\?.*$/s, '') ?? '';
    const file = files.get(path);
    if (file) {
      response.writeHead(200, { ...headers, 'Content-Type': file.type, 'Content-Length': file.content.length });
      response.end(request.method === 'HEAD' ? undefined : file.content);
    } else if (path === '/events') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
      if (request.method === 'HEAD') {
        response.end();
        return;
      }
      response.write(`retry: ${retryAfter}\n\n`);
      welcome((event, data) => void response.write(messageOf(event, data)));
      this.#pages.add(response);
      response.on('close', () => this.#pages.delete(response)).on('error', () => this.#pages.delete(response));
    } else refuse(404, 'There is no such page.');
  }
}

/** JSON has no line breaks, which would end the data. */
function messageOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
