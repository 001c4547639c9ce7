/** Draws filters of three channels, each scaled to its own range, as the paper's Figure 3 does. */
export function drawFilters(canvas: HTMLCanvasElement, shape: readonly number[], weights: Float32Array): void {
  const [filters = 0, channels = 0, rows = 0, columns = 0] = shape;
  const perRow = 8;
  canvas.width = perRow * (columns + 1) - 1;
  canvas.height = Math.ceil(filters / perRow) * (rows + 1) - 1;
  const context = canvas.getContext('2d')!;
  const area = rows * columns;
  for (let filter = 0; filter < filters; filter++) {
    const own = weights.subarray(filter * channels * area, (filter + 1) * channels * area);
    const least = Math.min(...own);
    const scale = 255 / (Math.max(...own) - least || 1);
    const image = context.createImageData(columns, rows);
    for (let pixel = 0; pixel < area; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        image.data[4 * pixel + channel] = (own[channel * area + pixel]! - least) * scale;
      }
      image.data[4 * pixel + 3] = 255;
    }
    context.putImageData(image, (filter % perRow) * (columns + 1), Math.floor(filter / perRow) * (rows + 1));
  }
}
