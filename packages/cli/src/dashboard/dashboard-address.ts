import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { InvalidArgumentError } from 'commander';

/** The requested address of a dashboard. */
export interface DashboardAddress {
  /** Only this machine can reach `127.0.0.1`. */
  readonly host: string;
  /** Default: the previous port of the run's page, otherwise one that the system chooses. */
  readonly port?: number | undefined;
}

/** The default: only for this machine. */
export const localAddress: DashboardAddress = { host: '127.0.0.1' };

/** A parser for commander: `8080`, `0.0.0.0:8080`, `[::]:8080`; or a name of this machine instead of the IP address. */
export function parseDashboardAddress(text: string): DashboardAddress {
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain ?? localAddress.host;
  const isNamed = /^[A-Za-z0-9.-]+$/.test(host) && !/^[\d.]+$/.test(host);
  if (port !== undefined && Number(port) <= 65_535 && (isIP(host) !== 0 || isNamed))
    return { host, port: Number(port) };
  throw new InvalidArgumentError('It must be a port, or an address and a port such as 0.0.0.0:8080.');
}

/** Whether only this machine can reach an address. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The host to type into a browser: a server at 0.0.0.0 answers at every address of its machine. */
export function hostToType(host: string): string {
  const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const reachable = others.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? hostname();
  const typed = host === '0.0.0.0' || host === '::' ? reachable : host;
  return typed.includes(':') ? `[${typed}]` : typed;
}

/**
 * Whether a request with `header` as its host may be answered: it must be an IP address, or a name of this machine. A
 * foreign page can use a name of its own that resolves to this machine, but none of these.
 */
export function namesThisMachine(header: string, host: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(header) ?? [];
  const name = (bracketed ?? plain ?? '').toLowerCase();
  return isIP(name) !== 0 || ['localhost', hostname().toLowerCase(), host.toLowerCase()].includes(name);
}
