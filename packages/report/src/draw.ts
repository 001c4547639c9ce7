import { LineChart } from 'echarts/charts';
import {
  GraphicComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TitleComponent,
} from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { SVGRenderer } from 'echarts/renderers';
import { darkImageStyle, palette } from './palette.js';

use([
  GraphicComponent,
  GridComponent,
  LabelLayout,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  SVGRenderer,
  TitleComponent,
]);

export const fontFamily = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif";

/** Draws a chart without a document; sizes in pixels. */
export function drawSvg(width: number, height: number, option: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: palette.surface,
      textStyle: { fontFamily, color: palette.ink },
      ...option,
    });
    // What the renderer brings are answers to a mouse, in an image that has none.
    return chart
      .renderToSVGString()
      .replace(/<style >[\s\S]*?<\/style>/, '')
      .replace(/<\/svg>\s*$/, `<style>${darkImageStyle}</style></svg>`);
  } finally {
    chart.dispose();
  }
}
