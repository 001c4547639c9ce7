// Runs a module in a page of Chromium.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { visit } from './chromium.mjs';

const types = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.html': 'text/html',
  '.css': 'text/css',
};

/** The page imports the module, calls its default export, and sends what that returns or throws. */
const html = (module, given, importMap) => `<!doctype html>
<meta charset="utf-8">
<script type="importmap">${JSON.stringify(importMap)}</script>
<script type="module">
const send = (answer) => fetch('/answer', { method: 'POST', body: JSON.stringify(answer) });
try {
  const { default: run } = await import(${JSON.stringify(module)});
  await send({ value: await run(${JSON.stringify(given)}) });
} catch (error) {
  await send({ error: String(error?.stack ?? error) });
}
</script>
`;

/**
 * Runs the default export of a module in a page.
 *
 * @param options.folders the folders that are served, by the first part of their address
 * @param options.module the address of the module
 * @param options.given its argument
 * @param options.importMap default: none
 * @param options.host default: 127.0.0.1, which is a secure context
 * @returns what the function returns, if JSON can express it
 * @throws Error if the module does not load, the function throws or the browser ends
 */
export async function runInPage(
  chromium,
  { folders, module, given = {}, importMap = {}, host = '127.0.0.1', ...options },
) {
  let answered;
  const answer = new Promise((resolve) => {
    answered = resolve;
  });
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://page');
    if (request.method === 'POST') {
      let body = '';
      for await (const text of request.setEncoding('utf8')) body += text;
      response.end();
      answered(JSON.parse(body));
      return;
    }
    if (pathname === '/') {
      response.setHeader('content-type', 'text/html');
      response.end(html(module, given, importMap));
      return;
    }
    const [, first, ...rest] = decodeURIComponent(pathname).split('/');
    try {
      const content = await readFile(join(folders[first] ?? '/nowhere', ...rest.filter((part) => part !== '..')));
      response.setHeader('content-type', types[extname(pathname)] ?? 'application/octet-stream');
      response.end(content);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { error, value } = await visit(chromium, `http://${host}:${server.address().port}/`, answer, options);
    if (error !== undefined) throw new Error(error);
    return value;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
