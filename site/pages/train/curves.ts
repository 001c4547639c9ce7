/** A value at a step. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
}

/** Pixels around the plot, for numbers and names. */
const margin = { top: 10, right: 12, bottom: 24, left: 44 };

/** Draws curves over the steps, as sharp as the screen, in the colours of the page. */
export function drawCurves(canvas: HTMLCanvasElement, curves: readonly Curve[], unit: (value: number) => string): void {
  const { context, width, height } = sharpContext(canvas);
  const style = getComputedStyle(canvas);
  const points = curves.flatMap((curve) => curve.points);
  const lastStep = Math.max(10, ...points.map(({ step }) => step));
  const top = Math.max(1e-6, ...points.map(({ value }) => value)) * 1.05;
  const x = (step: number) => margin.left + (step / lastStep) * (width - margin.left - margin.right);
  const y = (value: number) => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom);
  context.font = `12px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.strokeStyle = style.borderColor;
  context.textBaseline = 'middle';
  for (const share of [0, 0.5, 1]) {
    const value = (top / 1.05) * share;
    context.textAlign = 'right';
    context.fillText(unit(value), margin.left - 6, y(value));
    line(context, [x(0), y(value)], [x(lastStep), y(value)]);
    context.textAlign = 'center';
    context.fillText(String(Math.round(lastStep * share)), x(lastStep * share), height - margin.bottom / 2);
  }
  for (const { colour, points: own } of curves) {
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const { step, value } of own) context.lineTo(x(step), y(value));
    context.stroke();
  }
}

/** The context of a canvas with as many pixels as the screen has there, and its size in the page's units. */
export function sharpContext(canvas: HTMLCanvasElement) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d')!;
  context.scale(scale, scale);
  return { context, width, height };
}

function line(context: CanvasRenderingContext2D, from: readonly [number, number], to: readonly [number, number]): void {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}
