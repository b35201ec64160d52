/** Draws how far a product stands inside its limit: the last hours, and now with its uncertainty. */
import { signed } from "./format";
import type { Value } from "./messages";
import type { Palette } from "./theme.svelte";

export interface MarginView {
  /** Plant hours of the history, rising, and the margins then [decades]. */
  times: number[];
  margins: Value[];
  now: number;
  hours: number;
  margin: Value;
  /** Margins two standard deviations below and above; null where the uncertainty is unknown. */
  band: [number, number] | null;
  palette: Palette;
}

type Context = CanvasRenderingContext2D;

const LEFT = 30;
const GAUGE = 34;
const TOP = 5;
const BOTTOM = 15;
const LOWEST = -2;
const HIGHEST = 3;

interface Scales {
  left: number;
  right: number;
  top: number;
  bottom: number;
  low: number;
  high: number;
  x: (hour: number) => number;
  y: (margin: number) => number;
}

export function drawMargin(ctx: Context, width: number, height: number, view: MarginView): void {
  ctx.clearRect(0, 0, width, height);
  const scales = scalesOf(width, height, view);
  drawOutside(ctx, scales, width, view.palette);
  drawAxes(ctx, scales, width, view);
  drawHistory(ctx, scales, view);
  drawPresent(ctx, scales, width, view);
}

function scalesOf(width: number, height: number, view: MarginView): Scales {
  const seen = [...view.margins, view.margin, ...(view.band ?? [])].filter((value) => value != null);
  const low = Math.max(LOWEST, Math.min(-0.5, ...seen.map((value) => value - 0.05)));
  const high = Math.min(HIGHEST, Math.max(0.5, ...seen.map((value) => value + 0.05)));
  const [left, right] = [LEFT, width - GAUGE];
  const [top, bottom] = [TOP, height - BOTTOM];
  return {
    left, right, top, bottom, low, high,
    x: (hour) => right - ((view.now - hour) / view.hours) * (right - left),
    y: (margin) => {
      const inside = Math.min(high, Math.max(low, margin));
      return bottom - ((inside - low) / (high - low)) * (bottom - top);
    },
  };
}

/** Outside the limit: hatched, so that it needs no colour. */
function drawOutside(ctx: Context, scales: Scales, width: number, palette: Palette): void {
  const limit = scales.y(0);
  ctx.save();
  ctx.fillStyle = palette.inset;
  ctx.fillRect(scales.left, scales.top, scales.right - scales.left, scales.bottom - scales.top);
  ctx.fillRect(scales.right + 8, scales.top, width - scales.right - 10, scales.bottom - scales.top);
  ctx.beginPath();
  ctx.rect(scales.left, limit, scales.right - scales.left, scales.bottom - limit);
  ctx.rect(scales.right + 8, limit, width - scales.right - 10, scales.bottom - limit);
  ctx.clip();
  ctx.strokeStyle = palette.line;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = scales.left - 80; x < width; x += 6) {
    ctx.moveTo(x, scales.bottom);
    ctx.lineTo(x + 80, scales.bottom - 80);
  }
  ctx.stroke();
  ctx.restore();
}

function drawAxes(ctx: Context, scales: Scales, width: number, { palette, hours }: MarginView): void {
  ctx.font = `10.5px ${palette.font}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.lineWidth = 1;
  const every = scales.high - scales.low > 2.2 ? 1 : 0.5;
  for (let tick = Math.ceil(scales.low / every) * every; tick <= scales.high; tick += every) {
    const y = Math.round(scales.y(tick)) + 0.5;
    ctx.strokeStyle = tick === 0 ? palette.text : palette.grid;
    ctx.setLineDash(tick === 0 ? [5, 3] : []);
    ctx.beginPath();
    ctx.moveTo(scales.left, y);
    ctx.lineTo(scales.right, y);
    ctx.moveTo(scales.right + 8, y);
    ctx.lineTo(width - 2, y);
    ctx.stroke();
    ctx.fillStyle = tick === 0 ? palette.text : palette.muted;
    ctx.fillText(tick === 0 ? "limit" : signed(tick, 1), scales.left - 4, y);
  }
  ctx.setLineDash([]);
  ctx.fillStyle = palette.muted;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.fillText(`−${hours} h`, scales.left, scales.bottom + 3);
  ctx.textAlign = "right";
  ctx.fillText("now ± 2σ", width - 1, scales.bottom + 3);
}

function drawHistory(ctx: Context, scales: Scales, view: MarginView): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(scales.left, scales.top - 1, scales.right - scales.left, scales.bottom - scales.top + 2);
  ctx.clip();
  ctx.lineWidth = 1.5;
  ctx.lineJoin = "round";
  const limit = scales.y(0);
  // Twice the same line: what lies under the limit in the colour of what is abnormal.
  for (const outside of [false, true]) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, outside ? limit : 0, scales.right, outside ? scales.bottom : limit);
    ctx.clip();
    ctx.strokeStyle = outside ? view.palette.high : view.palette.text;
    ctx.beginPath();
    for (const [i, margin] of view.margins.entries()) {
      if (margin != null) ctx.lineTo(scales.x(view.times[i] ?? 0), scales.y(margin));
    }
    ctx.stroke();
    ctx.restore();
  }
  ctx.restore();
}

function drawPresent(ctx: Context, scales: Scales, width: number, view: MarginView): void {
  if (view.margin == null) return;
  const middle = (scales.right + 8 + width - 2) / 2;
  const y = scales.y(view.margin);
  ctx.fillStyle = view.margin < 0 ? view.palette.high : view.palette.text;
  ctx.strokeStyle = ctx.fillStyle;
  if (view.band) {
    const [low, high] = [scales.y(view.band[0]), scales.y(view.band[1])];
    ctx.globalAlpha = 0.28;
    ctx.fillRect(middle - 6, high, 12, Math.max(1, low - high));
    ctx.globalAlpha = 1;
    ctx.lineWidth = 1.2;
    ctx.strokeRect(middle - 6, high, 12, Math.max(1, low - high));
  }
  ctx.fillRect(scales.right + 8, y - 1.5, width - scales.right - 10, 3);
}
