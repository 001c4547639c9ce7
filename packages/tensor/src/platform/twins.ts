import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How to reach one of several cards with the same name. */
export interface Twin {
  /** Its PCI address: `0000:43:00.0`. */
  readonly bus: string;
  /** Environment variables that make drivers show only this card. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Tells cards of the same name apart by their bus addresses. Dawn selects by name only. But Mesa's device selection
 * layer, which the Vulkan loader applies to every vendor's driver, can hide all cards but one.
 *
 * @param list returns the names of the adapters that drivers show with these variables
 * @param addresses bus addresses of display adapters and accelerators
 * @returns one entry for each card that can be isolated; fewer than there are if the layer is not installed
 */
export async function findTwins(
  name: string,
  list: (environment: Readonly<Record<string, string>>) => Promise<readonly string[]>,
  addresses: readonly string[],
): Promise<Twin[]> {
  const twins: Twin[] = [];
  for (const bus of addresses) {
    const environment = { DRI_PRIME: `pci-${bus.replaceAll(/[:.]/g, '_')}!` };
    const shown = await list(environment);
    if (shown.length === 1 && shown[0] === name) twins.push({ bus, environment });
  }
  return twins;
}

/** PCI classes of display adapters and of accelerators that compute, by their first digits. */
const classesOfCards = ['0x03', '0x12'];

/** Bus addresses of the cards of a Linux machine that may compute; empty on other systems. */
export async function cardAddresses(devices = '/sys/bus/pci/devices'): Promise<string[]> {
  const addresses = await readdir(devices).catch(() => []);
  const classes = await Promise.all(
    addresses.map((address) => readFile(join(devices, address, 'class'), 'utf8').catch(() => '')),
  );
  return addresses.filter((_, index) => classesOfCards.some((prefix) => classes[index]!.startsWith(prefix))).sort();
}
