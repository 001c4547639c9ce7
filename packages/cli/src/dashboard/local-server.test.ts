import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type IncomingHttpHeaders, request, type ServerResponse } from 'node:http';
import { createConnection } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { isLocal, namesThisMachine, parseDashboardAddress } from './dashboard-address.js';
import { LocalServer, type Tell } from './local-server.js';
import { listenTo } from './testing.js';

const files = new Map([
  ['/', { type: 'text/html; charset=utf-8', content: Buffer.from('<!doctype html>page') }],
  ['/page.js', { type: 'text/javascript', content: Buffer.from('1') }],
]);

let server: LocalServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(port?: number): Promise<LocalServer> {
  const welcome = (tell: Tell) => tell('hello', { text: 'line\nbreak' });
  server = await LocalServer.start({ preferredPort: port, files, welcome });
  return server;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Like fetch, but with any host, method and path, none of them normalized. */
function ask(
  port: number,
  path: string,
  options: { host?: string; method?: string; cookie?: string; origin?: string } = {},
): Promise<Answer> {
  const { host = `127.0.0.1:${port}`, method = 'GET', cookie, origin } = options;
  const headers = { host, ...(cookie && { cookie }), ...(origin && { origin }) };
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    asking.on('error', reject).end();
  });
}

describe('LocalServer', () => {
  it('serves its files and nothing else', async () => {
    const { port, url } = await start();
    expect(url).toBe(`http://127.0.0.1:${port}/`);
    const page = await ask(port, '/');
    expect(page).toMatchObject({ status: 200, text: '<!doctype html>page' });
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'.*connect-src 'self'/);
    expect((await ask(port, '/?x=1')).status).toBe(200);
    expect(await ask(port, '/page.js', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    for (const path of [
      '/../package.json',
      '/%2e%2e/package.json',
      '//etc/passwd',
      '/page.js/..',
      '/PAGE.JS',
      '*',
      '/\\..\\x',
    ]) {
      expect((await ask(port, path)).status).toBe(404);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await ask(port, '/', { method })).status).toBe(405);
    }
  });

  it('answers to no other host name, which could belong to a foreign page', async () => {
    const { port } = await start();
    expect((await ask(port, '/', { host: `localhost:${port}` })).status).toBe(200);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `127.0.0.1:${port}.evil.example`,
    ]) {
      const answer = await ask(port, '/events', { host });
      expect(answer.status).toBe(403);
      expect(answer.text).not.toContain('hello');
    }
  });

  it('listens on this machine only', async () => {
    const { port } = await start();
    // Another address of this machine, on which a server for everybody would answer.
    const refused = new Promise((resolve) => {
      const socket = createConnection({ host: '127.0.0.2', port });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.on('connect', () => {
        socket.destroy();
        resolve('connected');
      });
    });
    expect(await refused).not.toBe('connected');
  });

  it('sends events to pages, starting with a welcome', async () => {
    const { url, tell, pages } = await start();
    expect(pages).toBe(0);
    tell('nobody', 'hears this');
    let response: ServerResponse | undefined;
    const onRequest = (message: unknown) => {
      ({ response } = message as { response: ServerResponse });
    };
    subscribe('http.server.request.start', onRequest);
    const page = await listenTo(url);
    unsubscribe('http.server.request.start', onRequest);
    expect(await page.next('hello')).toEqual({ text: 'line\nbreak' });
    expect(server!.pages).toBe(1);
    tell('step', { loss: 1 });
    expect(await page.next('step')).toEqual({ loss: 1 });
    page.leave();
    await once(response!, 'close');
    expect(server!.pages).toBe(0);
  });

  it('reuses its port, or another one if that is taken', async () => {
    const first = await start();
    const { port } = first;
    const second = await LocalServer.start({ preferredPort: port, files, welcome: () => undefined });
    expect(second.port).not.toBe(port);
    await second.close();
    await first.close();
    expect((await start(port)).port).toBe(port);
  });

  it('closes while pages are connected', async () => {
    const { url } = await start();
    const page = await listenTo(url);
    await page.next('hello');
    server!.tell('last', 'word');
    await server!.close();
    expect(await page.next('last')).toBe('word');
    expect(await page.ended).toBe(true);
  });
});

describe('at an address that others can reach', () => {
  const everywhere = async (options: { port?: number; token?: string } = {}) => {
    server = await LocalServer.start({ host: '0.0.0.0', files, welcome: (tell) => tell('hello', 1), ...options });
    return server;
  };

  it('requires the token of its URL, which a cookie then replaces', async () => {
    const { port, url, token } = await everywhere();
    expect(url).toBe(`http://${new URL(url).hostname}:${port}/?token=${token}`);
    expect(token).toMatch(/^[\w-]{24}$/);
    for (const path of ['/', '/page.js', '/events', '/?token=', `/?token=${token}x`, '/?token=%00']) {
      const answer = await ask(port, path);
      expect(answer.status, path).toBe(401);
      expect(answer.text).not.toContain(token);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    const page = await ask(port, `/?token=${token}`);
    expect(page.status).toBe(200);
    const [cookie] = page.headers['set-cookie']!;
    expect(cookie).toBe(`alexnet-${port}=${token}; HttpOnly; SameSite=Strict; Path=/`);
    expect((await ask(port, '/page.js', { cookie: `other=1; alexnet-${port}=${token}` })).status).toBe(200);
    expect((await ask(port, '/page.js', { cookie: `alexnet-${port}=x` })).status).toBe(401);
  });

  it('answers to addresses and to this machine, but to no foreign page', async () => {
    const { port, token } = await everywhere();
    const path = `/?token=${token}`;
    // Also through a mapped port of a container.
    for (const host of [`192.168.1.7:${port}`, 'localhost:80', `[::1]:${port}`]) {
      expect((await ask(port, path, { host })).status, host).toBe(200);
    }
    for (const host of ['evil.example', `127.0.0.1.evil.example:${port}`, 'a b']) {
      expect((await ask(port, path, { host })).status, host).toBeGreaterThanOrEqual(400);
    }
    expect((await ask(port, path, { origin: 'http://evil.example' })).status).toBe(403);
    expect((await ask(port, path, { origin: `http://127.0.0.1:${port}` })).status).toBe(200);
  });

  it('keeps the token of open pages, and refuses a port that is taken', async () => {
    const token = 'a'.repeat(24);
    const { port } = await everywhere({ token });
    expect((await ask(port, `/?token=${token}`)).status).toBe(200);
    await expect(LocalServer.start({ host: '0.0.0.0', port, files, welcome: () => undefined })).rejects.toThrow(
      /EADDRINUSE/,
    );
  });
});

describe('--dashboard', () => {
  it.each([
    ['8080', { host: '127.0.0.1', port: 8080 }],
    ['0.0.0.0:8080', { host: '0.0.0.0', port: 8080 }],
    ['[::]:80', { host: '::', port: 80 }],
    ['trainer.local:1', { host: 'trainer.local', port: 1 }],
  ])('accepts %s', (text, address) => {
    expect(parseDashboardAddress(text)).toEqual(address);
  });

  it.each(['', 'localhost', '0.0.0.0', ':::8080', '300.1.1.1:80', '0.0.0.0:70000', '1:2:3', 'a b:1'])(
    'refuses %j',
    (text) => {
      expect(() => parseDashboardAddress(text)).toThrow(/It must be a port, or an address and a port/);
    },
  );

  it('knows loopback addresses, and its own names', () => {
    expect(['127.0.0.1', '127.9.9.9', 'localhost', '::1'].map(isLocal)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example'].map(isLocal)).toEqual([false, false, false, false]);
    expect(namesThisMachine('example.org', 'example.org')).toBe(true);
    expect(namesThisMachine('example.org:1', '0.0.0.0')).toBe(false);
  });
});
