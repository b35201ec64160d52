/** Draws a spectrum on a logarithmic axis with its fit and the parts of it, and the residual below. */
import { powerOfTen } from "./format";
import { energyOf, type Spectrum } from "./spectrum";
import type { Palette } from "./theme.svelte";

export interface SpectrumView {
  spectrum: Spectrum;
  /** First point and the one after the last. */
  points: [number, number];
  /** Point the cursor stands on. */
  cursor: number;
  palette: Palette;
}

export interface PartStyle {
  name: string;
  colour: string;
  dash: number[];
}

type Context = CanvasRenderingContext2D;

const LEFT = 40;
const RIGHT = 8;
const TOP = 6;
const BOTTOM = 30;
const GAP = 10;
const RESIDUAL_SHARE = 0.26;
const FOOT = 0.5;
/** Least half height of the residual [sigma]. */
const LEAST_SIGMAS = 4;
const SIGMAS_SHADED = 2;
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3]];

/** Colour and dash of every part: no two share both, so that colour alone tells nothing. */
export function partStyles(names: string[], elements: string[], palette: Palette): PartStyle[] {
  let others = 0;
  return names.map((name, i) => {
    const place = elements.indexOf(name);
    const colour =
      place >= 0
        ? (palette.elements[place] ?? palette.text)
        : (palette.levers[others++ % palette.levers.length] ?? palette.muted);
    return { name, colour, dash: DASHES[i % DASHES.length] ?? [] };
  });
}

interface Frame {
  left: number;
  right: number;
  x: (energy: number) => number;
  upper: { top: number; bottom: number; y: (count: number) => number; most: number };
  lower: { top: number; bottom: number; y: (sigmas: number) => number; most: number };
}

export function drawSpectrum(
  ctx: Context, width: number, height: number, view: SpectrumView, styles: PartStyle[],
): void {
  ctx.clearRect(0, 0, width, height);
  const frame = frameOf(width, height, view);
  drawAxes(ctx, frame, view);
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.left, frame.upper.top, frame.right - frame.left, frame.upper.bottom - frame.upper.top);
  ctx.clip();
  drawCounts(ctx, frame, view);
  for (const style of styles) {
    drawCurve(ctx, frame, view, view.spectrum.parts[style.name] ?? [], style.colour, 1.2, style.dash);
  }
  drawCurve(ctx, frame, view, view.spectrum.fit, view.palette.text, 1.6, []);
  ctx.restore();
  drawResidual(ctx, frame, view);
  drawCursor(ctx, frame, view);
}

/** Point under a place on the canvas. */
export function pointAt(x: number, width: number, [first, end]: [number, number]): number {
  const share = (x - LEFT) / Math.max(1, width - RIGHT - LEFT);
  return Math.min(end - 1, Math.max(first, Math.round(first + share * (end - 1 - first))));
}

function frameOf(width: number, height: number, view: SpectrumView): Frame {
  const { spectrum, points: [first, end] } = view;
  const [left, right] = [LEFT, width - RIGHT];
  const [low, high] = [energyOf(spectrum, first), energyOf(spectrum, end - 1)];
  const floor = height - BOTTOM;
  const split = TOP + (1 - RESIDUAL_SHARE) * (floor - TOP);
  const most = 2 * Math.max(10, ...spectrum.counts.slice(first, end));
  const sigmas = spectrum.residual.slice(first, end).map(Math.abs);
  const farthest = Math.max(LEAST_SIGMAS, ...sigmas);
  const [bottom, top] = [split - GAP / 2, split + GAP / 2];
  const span = Math.log10(most / FOOT);
  return {
    left, right,
    x: (energy) => left + ((energy - low) / (high - low || 1)) * (right - left),
    upper: {
      top: TOP, bottom, most,
      y: (count) => bottom - (Math.log10(Math.max(count, FOOT) / FOOT) / span) * (bottom - TOP),
    },
    lower: {
      top, bottom: floor, most: farthest,
      y: (value) => (top + floor) / 2 - (value / farthest) * ((floor - top) / 2),
    },
  };
}

function drawAxes(ctx: Context, frame: Frame, { spectrum, points, palette }: SpectrumView): void {
  const { left, right, upper, lower, x } = frame;
  ctx.fillStyle = palette.inset;
  ctx.fillRect(left, upper.top, right - left, upper.bottom - upper.top);
  ctx.fillRect(left, lower.top, right - left, lower.bottom - lower.top);
  ctx.font = `10.5px ${palette.font}`;
  ctx.lineWidth = 1;
  ctx.strokeStyle = palette.grid;
  ctx.fillStyle = palette.muted;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (let power = 0; 10 ** power <= upper.most; power++) {
    const y = Math.round(upper.y(10 ** power)) + 0.5;
    line(ctx, left, y, right, y);
    ctx.fillText(powerOfTen(power), left - 4, y);
  }
  const half = Math.floor(lower.most);
  for (const sigmas of [-half, 0, half]) {
    ctx.fillText(sigmas === 0 ? "0 σ" : String(sigmas).replace("-", "−"), left - 4, lower.y(sigmas));
  }
  const [low, high] = [energyOf(spectrum, points[0]), energyOf(spectrum, points[1] - 1)];
  const fitting = Math.max(2, (right - left) / 55);
  const every = [0.5, 1, 2, 5, 10].find((step) => (high - low) / step <= fitting) ?? 20;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (let tick = Math.ceil(low / every) * every; tick <= high; tick += every) {
    const at = Math.round(x(tick)) + 0.5;
    line(ctx, at, upper.top, at, upper.bottom);
    line(ctx, at, lower.top, at, lower.bottom);
    ctx.fillText(String(Number(tick.toFixed(1))), at, lower.bottom + 3);
  }
  ctx.textAlign = "right";
  ctx.fillText("keV", right, lower.bottom + 16);
}

/** Counts as a shaded step, so that they stand apart from every line without a colour of their own. */
function drawCounts(ctx: Context, frame: Frame, { spectrum, points, palette }: SpectrumView): void {
  const half = spectrum.energy.step / 2;
  ctx.fillStyle = palette.muted;
  ctx.globalAlpha = 0.3;
  ctx.beginPath();
  ctx.moveTo(frame.x(energyOf(spectrum, points[0]) - half), frame.upper.bottom);
  for (let i = points[0]; i < points[1]; i++) {
    const [energy, y] = [energyOf(spectrum, i), frame.upper.y(spectrum.counts[i] ?? 0)];
    ctx.lineTo(frame.x(energy - half), y);
    ctx.lineTo(frame.x(energy + half), y);
  }
  ctx.lineTo(frame.x(energyOf(spectrum, points[1] - 1) + half), frame.upper.bottom);
  ctx.fill();
  ctx.globalAlpha = 1;
}

function drawCurve(
  ctx: Context, frame: Frame, { spectrum, points }: SpectrumView, values: number[],
  colour: string, weight: number, dash: number[],
): void {
  if (values.length === 0) return;
  ctx.strokeStyle = colour;
  ctx.lineWidth = weight;
  ctx.setLineDash(dash);
  ctx.beginPath();
  for (let i = points[0]; i < points[1]; i++) {
    ctx.lineTo(frame.x(energyOf(spectrum, i)), frame.upper.y(Math.max(values[i] ?? 0, FOOT / 2)));
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

function drawResidual(ctx: Context, frame: Frame, view: SpectrumView): void {
  const { spectrum, points, palette } = view;
  const { left, right, lower } = frame;
  ctx.fillStyle = palette.shade;
  const high = lower.y(SIGMAS_SHADED);
  ctx.fillRect(left, high, right - left, lower.y(-SIGMAS_SHADED) - high);
  ctx.strokeStyle = palette.muted;
  ctx.lineWidth = 1;
  line(ctx, left, lower.y(0), right, lower.y(0));
  ctx.fillStyle = palette.text;
  for (let i = points[0]; i < points[1]; i++) {
    const value = spectrum.residual[i];
    if (value === undefined) continue;
    ctx.fillRect(frame.x(energyOf(spectrum, i)) - 0.75, lower.y(value) - 0.75, 1.5, 1.5);
  }
}

function drawCursor(ctx: Context, frame: Frame, { spectrum, cursor, palette }: SpectrumView): void {
  const at = Math.round(frame.x(energyOf(spectrum, cursor))) + 0.5;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1;
  line(ctx, at, frame.upper.top, at, frame.lower.bottom);
}

function line(ctx: Context, x0: number, y0: number, x1: number, y1: number): void {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}
