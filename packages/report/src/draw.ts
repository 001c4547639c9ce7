import type { EChartsCoreOption } from 'echarts/core';
import { darkImageStyle, palette } from './palette.js';

export const fontFamily = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif";

/** Draws a chart without a document; sizes are in pixels. */
export async function drawSvg(width: number, height: number, option: EChartsCoreOption): Promise<string> {
  const { init } = await import('./echarts.js');
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: palette.surface,
      textStyle: { fontFamily, color: palette.ink },
      ...option,
    });
    // Removes the renderer's mouse handling, which a static image does not need.
    return chart
      .renderToSVGString()
      .replace(/<style >[\s\S]*?<\/style>/, '')
      .replace(/<\/svg>\s*$/, `<style>${darkImageStyle}</style></svg>`);
  } finally {
    chart.dispose();
  }
}
