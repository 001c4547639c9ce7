import { cpus, totalmem } from 'node:os';
import type { Gpu } from '@alex/tensor';

/** Where figures were measured, without which they mean nothing. */
export interface Environment {
  readonly date: string;
  readonly adapter: string;
  readonly driver: string;
  readonly subgroupSize: number | undefined;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly platform: string;
}

export function environmentOf(gpu: Gpu): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    adapter: gpu.description.name,
    driver: gpu.description.driver,
    subgroupSize: gpu.subgroupSize,
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}
