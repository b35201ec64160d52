/** Draws the margins of all products over the whole history, under the slider that walks it. */
import type { Upset, Value } from "./messages";
import type { Palette } from "./theme.svelte";

export interface ReplayView {
  from_h: number;
  to_h: number;
  times: number[];
  /** One line a product: its colour and its margins [decades]. */
  lines: { colour: string; margins: Value[] }[];
  upsets: Upset[];
  /** Plant time that is shown [h]; null while live. */
  at: number | null;
  palette: Palette;
}

/** The line's range [decades]; beyond it the exact margin does not matter to find a time. */
const LOW = -0.5;
const HIGH = 0.7;

export function drawReplay(
  ctx: CanvasRenderingContext2D, width: number, height: number, view: ReplayView,
): void {
  const { palette, from_h, to_h } = view;
  const x = (hour: number) => (width * (hour - from_h)) / Math.max(to_h - from_h, 1e-9);
  const y = (margin: number) =>
    height - 1 - ((Math.min(HIGH, Math.max(LOW, margin)) - LOW) / (HIGH - LOW)) * (height - 2);
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = palette.inset;
  ctx.fillRect(0, 0, width, height);
  ctx.fillStyle = palette.shade;
  for (const upset of view.upsets) {
    const [start, end] = [x(Math.max(from_h, upset.from_h)), x(Math.min(to_h, upset.to_h ?? to_h))];
    if (end > 0) ctx.fillRect(start, 0, Math.max(1, end - start), height);
  }
  ctx.strokeStyle = palette.muted;
  ctx.lineWidth = 1;
  ctx.setLineDash([5, 3]);
  ctx.beginPath();
  ctx.moveTo(0, Math.round(y(0)) + 0.5);
  ctx.lineTo(width, Math.round(y(0)) + 0.5);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.lineWidth = 1.4;
  // A pixel shows no more than two rows.
  const every = Math.max(1, Math.floor(view.times.length / (2 * width)));
  for (const { colour, margins } of view.lines) {
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (let i = 0; i < margins.length; i += every) {
      const margin = margins[i];
      if (margin != null) ctx.lineTo(x(view.times[i] ?? 0), y(margin));
    }
    ctx.stroke();
  }
  if (view.at === null) return;
  ctx.fillStyle = palette.text;
  ctx.fillRect(x(view.at) - 1, 0, 2, height);
}
