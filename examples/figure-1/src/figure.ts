import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import sharp from 'sharp';
import { type Curve, target } from './curve.js';
import type { Activation } from './network.js';

use([GridComponent, LegendComponent, LineChart, MarkLineComponent, SVGRenderer]);

/** Lines as in the paper: ReLU solid, tanh dashed. */
const styles: Readonly<Record<Activation, { readonly name: string; readonly type: 'solid' | number[] }>> = {
  relu: { name: 'ReLU', type: 'solid' },
  tanh: { name: 'tanh', type: [9, 6] },
  absTanh: { name: '|tanh|', type: [2, 4] },
  logistic: { name: 'logistic', type: [9, 4, 2, 4] },
};

const [width, height] = [640, 440];
const ink = '#1f2328';
const faint = '#8b949e';

/**
 * Draws training errors by epochs in the form of the paper's Figure 1, one line per run.
 *
 * @param curves the curves to show; the page shows each activation at its best rate
 * @returns SVG
 */
export function drawFigure(curves: readonly Curve[]): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  const label = { color: ink, fontSize: 13 };
  const shown = Object.entries(styles).filter(([activation]) =>
    curves.some((curve) => curve.activation === activation),
  );
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: "'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif" },
      grid: { left: 72, right: 24, top: 24, bottom: 56 },
      legend: {
        data: shown.map(([, { name }]) => name),
        right: 32,
        top: 32,
        orient: 'vertical',
        itemWidth: 44,
        backgroundColor: '#ffffff',
        itemStyle: { opacity: 0 },
        textStyle: label,
      },
      xAxis: {
        ...{ type: 'value', min: 0, name: 'Epochs', nameLocation: 'middle', nameGap: 32, nameTextStyle: label },
        max: ({ max }: { max: number }) => Math.max(5, 5 * Math.ceil(max / 5)),
        ...{ axisLine: { lineStyle: { color: ink } }, axisLabel: label, splitLine: { show: false } },
      },
      yAxis: {
        ...{ type: 'value', min: 0, max: 0.75, interval: 0.25, name: 'Training error rate', nameLocation: 'middle' },
        ...{ nameGap: 48, nameTextStyle: label, axisLine: { show: true, lineStyle: { color: ink } } },
        ...{ axisLabel: label, splitLine: { show: false } },
      },
      series: [
        {
          type: 'line',
          markLine: {
            ...{ silent: true, symbol: 'none', label: { show: false }, data: [{ yAxis: target }] },
            lineStyle: { color: faint, type: 'solid', width: 1 },
          },
        },
        ...curves.map(({ activation, errors }) => ({
          ...{ type: 'line', name: styles[activation].name, silent: true, showSymbol: false },
          data: errors.map((error, epoch) => [epoch + 0.5, error]),
          lineStyle: { color: ink, width: 1.6, type: styles[activation].type },
          itemStyle: { color: ink },
        })),
      ],
    });
    return (
      chart
        .renderToSVGString()
        // The renderer adds mouse handling, which a static image does not need.
        .replace(/<style >[\s\S]*?<\/style>/, '')
        // Classes and names that count the images of the process.
        .replaceAll(/ class="[^"]*"/g, '')
        .replaceAll(/zr\d+-/g, 'zr-')
    );
  } finally {
    chart.dispose();
  }
}

/** The same as PNG, twice as large. */
export function pngOf(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: 144 }).png().toBuffer();
}
