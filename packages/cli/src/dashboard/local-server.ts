import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DashboardFile } from '@alex/report';
import { AlexError } from '@alex/tensor';
import { hostToType, isLocal, localAddress, namesThisMachine } from './dashboard-address.js';

/** Sends an event to one page: its name and its data. */
export type Tell = (event: string, data: unknown) => void;

/** Nothing is loaded from elsewhere, and no other page may embed this one or read its contents. */
const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** A page that does not read its events gets no more when this much is waiting. */
const mostWaitingBytes = 2 ** 26;

/** Milliseconds until a page that lost the connection tries again. */
const retryAfter = 1000;

/** The name of the token that browsers elsewhere need. */
const tokenName = 'token';

export interface LocalServerOptions {
  /** Default: the loopback address, which only this machine can reach. On any other, a page needs a token. */
  readonly host?: string | undefined;
  /** If given, this port must be free. Default: `preferredPort` if that is free, else one that the system chooses. */
  readonly port?: number | undefined;
  readonly preferredPort?: number | undefined;
  /** The token that open pages already know. Default: a new one. */
  readonly token?: string | undefined;
  readonly files: ReadonlyMap<string, DashboardFile>;
  /** Sends a new page everything that it needs. */
  welcome(tell: Tell): void;
}

/**
 * Serves a few files from memory, and a stream of events at `/events`, to browsers on this machine. No path leads to a
 * file on disk. A request must give this server as its host, so that no foreign page can reach it by a name of its own
 * that resolves to this machine. At an address that others can reach, a browser must once present the token of the URL,
 * and gets a cookie for it.
 */
export class LocalServer {
  readonly #server: Server;
  readonly #host: string;
  /** Undefined if only this machine can reach the server. */
  readonly token: string | undefined;
  readonly #pages = new Set<ServerResponse>();

  private constructor(server: Server, host: string, token: string | undefined) {
    this.#server = server;
    this.#host = host;
    this.token = token;
  }

  /** @throws AlexError if no port is available */
  static async start(options: LocalServerOptions): Promise<LocalServer> {
    const { host = localAddress.host, port, preferredPort, files, welcome } = options;
    const server = createServer((request, response) => local.#answer(request, response, files, welcome));
    const token = isLocal(host) ? undefined : (options.token ?? randomBytes(18).toString('base64url'));
    const local = new LocalServer(server, host, token);
    try {
      if (port !== undefined) await listen(server, host, port);
      else await listen(server, host, preferredPort ?? 0).catch(() => listen(server, host, 0));
    } catch (error) {
      throw new AlexError(`the dashboard cannot be served: ${(error as Error).message}`, { cause: error });
    }
    return local;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const query = this.token === undefined ? '' : `?${tokenName}=${this.token}`;
    return `http://${hostToType(this.#host)}:${this.port}/${query}`;
  }

  /** Number of open pages. */
  get pages(): number {
    return this.#pages.size;
  }

  /** Sends an event to all open pages. */
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
    // Events already sent are on their way to the pages; idle connections are not waited for.
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), 500);
    await closed;
    clearTimeout(late);
  }

  /** Whether a browser addresses this server by one of its own names. */
  #isHere(host: string): boolean {
    if (this.token !== undefined) return namesThisMachine(host, this.#host);
    return [hostToType(this.#host), '127.0.0.1', 'localhost'].some((name) => host === `${name}:${this.port}`);
  }

  /** Browsers keep cookies by host, for all ports, so each server has its own name. */
  get #cookie(): string {
    return `alexnet-${this.port}`;
  }

  /** The token in a request, if any. */
  #tokenOf({ url = '', headers: { cookie = '' } }: IncomingMessage): 'url' | 'cookie' | 'none needed' | undefined {
    const { token } = this;
    if (token === undefined) return 'none needed';
    const given = new URLSearchParams(/\?(.*)$/s.exec(url)?.[1]).get(tokenName);
    if (given !== null && isSame(given, token)) return 'url';
    const kept = cookie.split(/;\s*/).find((one) => one.startsWith(`${this.#cookie}=`));
    return kept !== undefined && isSame(kept.slice(this.#cookie.length + 1), token) ? 'cookie' : undefined;
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
    const { host = '', origin } = request.headers;
    if (!this.#isHere(host) || (origin !== undefined && origin !== `http://${host}`)) {
      refuse(
        403,
        this.token === undefined ? `This page is only at ${this.url}` : 'This page is not served under this name.',
      );
      return;
    }
    const brings = this.#tokenOf(request);
    if (brings === undefined) {
      refuse(401, 'Open the address that the command printed: it includes a token.');
      return;
    }
    if (brings === 'url') {
      // Others may see the address, over a shoulder or in a shared history, but not the cookie.
      response.setHeader('Set-Cookie', `${this.#cookie}=${this.token}; HttpOnly; SameSite=Strict; Path=/`);
    }
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (!reads) {
      refuse(405, 'This page is read-only.', { Allow: 'GET, HEAD' });
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

/** Compared in constant time. */
function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** JSON has no line breaks, which would end the data. */
function messageOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
