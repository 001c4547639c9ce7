import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedDriver } from '@alex/software-gpu';
import { describe, expect, it } from 'vitest';
import { listNames } from './node-adapters.js';
import { cardAddresses, findTwins } from './twins.js';

/**
 * A machine whose cards are selected by a layer like Mesa's; a driver that is installed twice lists its cards twice.
 */
function machine(cards: Readonly<Record<string, string>>, { layer = true, installed = 1 } = {}) {
  const all = Array.from({ length: installed }, () => Object.entries(cards)).flat();
  return async ({ DRI_PRIME: wanted }: Readonly<Record<string, string>>) => {
    const [, domain, bus, device, part] = /^pci-(.{4})_(..)_(..)_(.)!$/.exec(wanted ?? '') ?? [];
    const chosen = all.findLast(([address]) => address === `${domain}:${bus}:${device}.${part}`);
    return (layer && chosen ? [chosen] : all).map(([, name]) => name);
  };
}

const pair = { '0000:03:00.0': 'Radeon', '0000:43:00.0': 'Radeon', '0000:00:02.0': 'Iris' };

describe('cards of the same name', () => {
  it('are distinguished by their addresses, each with the variable that selects it', async () => {
    expect(await findTwins('Radeon', machine(pair), Object.keys(pair))).toEqual([
      { bus: '0000:03:00.0', environment: { DRI_PRIME: 'pci-0000_03_00_0!' } },
      { bus: '0000:43:00.0', environment: { DRI_PRIME: 'pci-0000_43_00_0!' } },
    ]);
  });

  it('are not, if nothing can select one, or no address is known', async () => {
    expect(await findTwins('Radeon', machine(pair, { layer: false }), Object.keys(pair))).toEqual([]);
    expect(await findTwins('Radeon', machine(pair), [])).toEqual([]);
  });

  it('are one card if its driver is installed twice', async () => {
    const one = { '0000:03:00.0': 'Radeon' };
    expect(await findTwins('Radeon', machine(one, { installed: 2 }), Object.keys(one))).toHaveLength(1);
  });
});

it("this machine's layer, if it has one, selects one adapter, and Dawn follows it within a process", async ({
  skip,
}) => {
  const { manifest } = await embeddedDriver();
  const drivers = manifest === undefined ? {} : { VK_ADD_DRIVER_FILES: manifest };
  const all = await listNames(drivers);
  skip(all.length < 2, 'one adapter here');
  // Adapters that are on no bus have an address of zeros.
  const shown = await listNames({ ...drivers, DRI_PRIME: 'pci-0000_00_00_0!' });
  skip(shown.length === all.length, 'no such layer here');
  expect(shown).toHaveLength(1);
  expect(all).toContain(shown[0]);
  expect(await listNames(drivers)).toEqual(all);
});

it('addresses are those of display adapters and accelerators', async () => {
  const devices = await mkdtemp(join(tmpdir(), 'alex-twins-'));
  try {
    const classes = {
      '0000:43:00.0': '0x030000',
      '0000:03:00.0': '0x030200',
      '0000:00:1f.6': '0x020000',
      '0000:c3:00.0': '0x120000',
    };
    for (const [address, code] of Object.entries(classes)) {
      await mkdir(join(devices, address));
      await writeFile(join(devices, address, 'class'), `${code}\n`);
    }
    await mkdir(join(devices, '0000:00:00.0'));
    expect(await cardAddresses(devices)).toEqual(['0000:03:00.0', '0000:43:00.0', '0000:c3:00.0']);
    expect(await cardAddresses(join(devices, 'nowhere'))).toEqual([]);
  } finally {
    await rm(devices, { recursive: true });
  }
});
