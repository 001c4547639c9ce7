import { exportBrowser } from './browser.js';
import { exportCaffe } from './caffe.js';
import type { Exporter } from './exporter.js';
import { exportOnnx } from './onnx.js';
import { exportSafetensors } from './safetensors.js';
import { exportTorchvision } from './torchvision.js';

/** The formats of `export`, by their names. */
export const exporters = {
  onnx: exportOnnx,
  torchvision: exportTorchvision,
  safetensors: exportSafetensors,
  caffe: exportCaffe,
  browser: exportBrowser,
} as const satisfies Record<string, Exporter>;

export type ExportFormat = keyof typeof exporters;
