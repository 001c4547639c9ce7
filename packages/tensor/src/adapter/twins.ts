import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The way to one of several cards that have the same name. */
export interface Twin {
  /** Its PCI address: `0000:43:00.0`. */
  readonly bus: string;
  /** Environment variables with which drivers show this card alone. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Tells cards of one name apart by their bus addresses. Dawn selects by name only, but Mesa's device selection layer, which
 * Vulkan's loader puts before every vendor's driver where it is installed, shows one card alone where it is told to.
 *
 * @param list the names of the adapters that drivers show with these variables
 * @param addresses where display adapters and accelerators sit on the bus
 * @returns one for each card that can be shown alone; fewer than there are where the layer is not there
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

/** Where cards that may compute sit on the bus of a Linux machine; nothing on others. */
export async function cardAddresses(devices = '/sys/bus/pci/devices'): Promise<string[]> {
  const addresses = await readdir(devices).catch(() => []);
  const classes = await Promise.all(
    addresses.map((address) => readFile(join(devices, address, 'class'), 'utf8').catch(() => '')),
  );
  return addresses.filter((_, index) => classesOfCards.some((prefix) => classes[index]!.startsWith(prefix))).sort();
}
