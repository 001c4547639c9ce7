import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { InvalidArgumentError } from 'commander';

/** Where a dashboard is asked to be served. */
export interface DashboardAddress {
  /** Only this machine reaches `127.0.0.1`. */
  readonly host: string;
  /** Default: where the run's page was before, else one that the system chooses. */
  readonly port?: number | undefined;
}

/** Where nothing is said: on this machine, for this machine. */
export const localAddress: DashboardAddress = { host: '127.0.0.1' };

/** A parser for commander: `8080`, `0.0.0.0:8080`, `[::]:8080`; a name of this machine in place of the number. */
export function parseDashboardAddress(text: string): DashboardAddress {
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain ?? localAddress.host;
  const isNamed = /^[A-Za-z0-9.-]+$/.test(host) && !/^[\d.]+$/.test(host);
  if (port !== undefined && Number(port) <= 65_535 && (isIP(host) !== 0 || isNamed))
    return { host, port: Number(port) };
  throw new InvalidArgumentError('It must be a port, or an address and a port such as 0.0.0.0:8080.');
}

/** Whether only this machine reaches an address. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** What to type into a browser to reach an address: a server at 0.0.0.0 answers at every address of its machine. */
export function hostToType(host: string): string {
  const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const reachable = others.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? hostname();
  const typed = host === '0.0.0.0' || host === '::' ? reachable : host;
  return typed.includes(':') ? `[${typed}]` : typed;
}

/**
 * Whether a browser that names `header` as its host may be answered: by an address, or by a name of this machine. A page from
 * elsewhere can give a name of its own that leads here, but no such one.
 */
export function namesThisMachine(header: string, host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(header) ?? [];
  const name = (bracketed ?? plain ?? '').toLowerCase();
  return isIP(name) !== 0 || ['localhost', hostname().toLowerCase(), host.toLowerCase()].includes(name);
}
