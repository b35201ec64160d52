/** Draws the bank: sections, ports, heat strip, and composition against stage below it. */
import { LOWEST_POWER, type Frame } from "./bank_frame";
import { capital, powerOfTen } from "./format";
import type { BankData } from "./bank_data";
import { fractionsAt, heatElements, type Phase } from "./fractions";
import type { NominalProfile, Plant, Reading } from "./messages";
import type { Palette } from "./theme.svelte";

export interface BankView {
  plant: Plant;
  data: BankData | null;
  palette: Palette;
  organic: boolean;
  /** The plant's nominal model profile, where it is wanted. */
  nominal: NominalProfile | null;
  selected: number;
  hovered: number | null;
}

type Context = CanvasRenderingContext2D;

/** Decades of the ratio Nd : rest at either end of the heat strip's colours. */
export const HEAT_DECADES = 4;
/** A reading fades over this age and keeps the last fifth of its ink. */
const FADE_HOURS = 8;
const FAINTEST = 0.2;

export function drawBank(ctx: Context, frame: Frame, view: BankView): void {
  ctx.clearRect(0, 0, frame.width, frame.height);
  drawGrid(ctx, frame, view);
  drawSections(ctx, frame, view);
  drawPorts(ctx, frame, view);
  drawHeat(ctx, frame, view);
  drawSelection(ctx, frame, view);
  drawNominal(ctx, frame, view);
  drawLines(ctx, frame, view);
  drawTargets(ctx, frame, view);
  drawReadings(ctx, frame, view);
}

function font(ctx: Context, palette: Palette, weight = 400): void {
  ctx.font = `${weight} 11px ${palette.font}`;
}

function stroke(ctx: Context, colour: string, x1: number, y1: number, x2: number, y2: number): void {
  ctx.strokeStyle = colour;
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

function drawGrid(ctx: Context, frame: Frame, { palette }: BankView): void {
  font(ctx, palette);
  ctx.lineWidth = 1;
  ctx.fillStyle = palette.muted;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (let power = LOWEST_POWER; power <= 0; power++) {
    const y = Math.round(frame.level(10 ** power)) + 0.5;
    stroke(ctx, palette.grid, frame.left, y, frame.right, y);
    ctx.fillText(power === 0 ? "1" : powerOfTen(power), frame.left - 6, y);
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  const every = frame.right - frame.left < 500 ? 10 : 5;
  for (let stage = 1; stage <= frame.stages; stage++) {
    if (stage !== 1 && stage % every !== 0) continue;
    const x = Math.round(frame.middle(stage)) + 0.5;
    stroke(ctx, palette.line, x, frame.plotBottom, x, frame.plotBottom + 4);
    ctx.fillText(String(stage), x, frame.plotBottom + 6);
  }
  const axis = frame.width < 560 ? "stage" : "stage, counted along the organic";
  ctx.fillText(axis, (frame.left + frame.right) / 2, frame.plotBottom + 20);
  ctx.save();
  ctx.translate(frame.width < 560 ? 8 : 26, (frame.plotTop + frame.plotBottom) / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textBaseline = "middle";
  ctx.fillText("mole fraction of rare earth", 0, 0);
  ctx.restore();
}

function drawSections(ctx: Context, frame: Frame, { plant, palette }: BankView): void {
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  for (const [index, section] of plant.sections.entries()) {
    const start = Math.round(frame.edge(section.first));
    const end = Math.round(frame.edge(section.last + 1));
    ctx.fillStyle = palette.inset;
    ctx.fillRect(start + (index > 0 ? 1 : 0), frame.sectionTop, end - start - 1, 16);
    const name = capital(section.name);
    font(ctx, palette, 600);
    ctx.fillStyle = palette.text;
    const label = [`${name}, stages ${section.first}–${section.last}`, name].find(
      (text) => ctx.measureText(text).width < end - start - 6,
    );
    if (label) ctx.fillText(label, (start + end) / 2, frame.sectionTop + 8.5);
    if (index > 0) {
      stroke(ctx, palette.muted, start + 0.5, frame.sectionTop, start + 0.5, frame.plotBottom);
    }
  }
}

/** Feed and products, named where they enter or leave the row of stages. */
function drawPorts(ctx: Context, frame: Frame, { plant, palette }: BankView): void {
  font(ctx, palette);
  ctx.fillStyle = palette.text;
  ctx.textBaseline = "middle";
  const ports = [
    { stage: plant.feed_stage, symbol: "▼", text: "Feed", short: "Feed" },
    ...plant.products.map((product) => ({
      stage: product.from_stage, symbol: "▲", text: product.title, short: product.keys.join("/"),
    })),
  ].toSorted((a, b) => a.stage - b.stage);
  const y = frame.portTop + 8.5;
  for (const [index, port] of ports.entries()) {
    const x = frame.middle(port.stage);
    const next = ports[index + 1];
    const room = (next ? frame.middle(next.stage) - 14 : frame.right) - (x + 9);
    const label = [port.text, port.short].find((text) => ctx.measureText(text).width <= room);
    ctx.textAlign = "center";
    ctx.fillText(port.symbol, x, y);
    ctx.textAlign = "left";
    if (label) ctx.fillText(label, x + 9, y);
  }
}

function drawHeat(ctx: Context, frame: Frame, { plant, data, palette }: BankView): void {
  const compact = frame.width < 560;
  font(ctx, palette);
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const rows: [string, number, Phase | undefined][] = [
    [compact ? "Aq. ←" : "Aqueous ←", frame.aqueousTop, data?.profile?.aqueous],
    [compact ? "Org. →" : "Organic →", frame.organicTop, data?.profile?.organic],
  ];
  const scale = heatScale(palette);
  const keys = heatElements(plant);
  for (const [label, top, phase] of rows) {
    ctx.fillStyle = palette.muted;
    ctx.fillText(label, frame.left - 6, top + frame.rowHeight / 2 + 0.5);
    for (let stage = 1; stage <= frame.stages; stage++) {
      const start = Math.round(frame.edge(stage));
      const width = Math.round(frame.edge(stage + 1)) - start - 1;
      ctx.fillStyle = phase ? heatColour(scale, plant, keys, phase, stage) : palette.inset;
      ctx.fillRect(start, top, Math.max(1, width), frame.rowHeight);
    }
  }
}

type Colour = [number, number, number];

/** The palette's heat colours at 65 steps, so that no colour is mixed while drawing. */
function heatScale(palette: Palette): string[] {
  const parse = (hex: string): Colour => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Colour;
  const [low, middle, high] = [palette.heatLow, palette.heatMiddle, palette.heatHigh].map(parse) as [
    Colour, Colour, Colour,
  ];
  return Array.from({ length: 65 }, (_, step) => {
    const place = step / 32 - 1;
    const end = place < 0 ? low : high;
    const mixed = middle.map((part, i) => Math.round(part + Math.abs(place) * ((end[i] ?? 0) - part)));
    return `rgb(${mixed.join(" ")})`;
  });
}

function heatColour(
  scale: string[], plant: Plant, keys: string[], phase: Phase, stage: number,
): string {
  const fractions = fractionsAt(phase, plant.elements, stage - 1);
  let share = 0;
  for (const [i, element] of plant.elements.entries()) {
    if (keys.includes(element)) share += fractions[i] ?? 0;
  }
  const ratio = Math.log10(Math.max(share, 1e-9) / Math.max(1 - share, 1e-9));
  const place = Math.min(1, Math.max(-1, ratio / HEAT_DECADES));
  return scale[Math.round(32 * (place + 1))] ?? "";
}

function drawSelection(ctx: Context, frame: Frame, { selected, hovered, palette }: BankView): void {
  for (const stage of new Set([hovered, selected])) {
    if (stage === null) continue;
    const start = Math.round(frame.edge(stage));
    const width = Math.max(2, Math.round(frame.edge(stage + 1)) - start);
    ctx.fillStyle = palette.shade;
    ctx.fillRect(start, frame.plotTop, width - 1, frame.plotBottom - frame.plotTop);
    if (stage !== selected) continue;
    ctx.strokeStyle = palette.text;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(start - 1, frame.aqueousTop - 1, width + 1, 2 * frame.rowHeight + 3);
  }
}

/** The model's nominal profile: thin and dotted, behind everything that is of today. */
function drawNominal(ctx: Context, frame: Frame, view: BankView): void {
  if (!view.nominal) return;
  drawPhases(ctx, frame, view, [[view.nominal.aqueous, [1.5, 3.5], 1.6]]);
}

function drawLines(ctx: Context, frame: Frame, view: BankView): void {
  const profile = view.data?.profile;
  if (!profile) return;
  const phases: Line[] = [[profile.aqueous, [], 2]];
  if (view.organic) phases.unshift([profile.organic, [6, 4], 1.4]);
  drawPhases(ctx, frame, view, phases);
}

/** A phase with the dashes and the width of its lines. */
type Line = [Phase, number[], number];

function drawPhases(ctx: Context, frame: Frame, { plant, palette }: BankView, lines: Line[]): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.left, frame.plotTop - 1, frame.right - frame.left, frame.plotBottom - frame.plotTop + 2);
  ctx.clip();
  ctx.lineJoin = "round";
  for (const [phase, dash, width] of lines) {
    const table = Array.from({ length: frame.stages }, (_, i) => fractionsAt(phase, plant.elements, i));
    ctx.setLineDash(dash);
    ctx.lineWidth = width;
    for (const column of plant.elements.keys()) {
      ctx.strokeStyle = palette.elements[column] ?? palette.text;
      ctx.beginPath();
      for (const [i, row] of table.entries()) {
        const fraction = row[column];
        if (fraction != null) ctx.lineTo(frame.middle(i + 1), frame.level(fraction));
      }
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** Targets: an open wedge on either side of the value the controller steers to. */
function drawTargets(ctx: Context, frame: Frame, { plant, data, palette }: BankView): void {
  ctx.lineWidth = 1.5;
  for (const target of data?.targets ?? []) {
    for (const [element, fraction] of Object.entries(target.fraction)) {
      if (fraction == null) continue;
      const x = frame.middle(target.stage);
      const y = frame.level(fraction);
      ctx.strokeStyle = palette.elements[plant.elements.indexOf(element)] ?? palette.text;
      for (const side of [-1, 1]) {
        ctx.beginPath();
        ctx.moveTo(x + side * 12, y - 4.5);
        ctx.lineTo(x + side * 6, y);
        ctx.lineTo(x + side * 12, y + 4.5);
        ctx.stroke();
      }
    }
  }
}

function drawReadings(ctx: Context, frame: Frame, { plant, data, palette }: BankView): void {
  for (const reading of data?.readings ?? []) {
    const product = plant.products.find(({ name }) => name === reading.place);
    const stage = reading.stage ?? product?.from_stage;
    if (stage === undefined) continue;
    ctx.globalAlpha = Math.max(FAINTEST, 1 - ((1 - FAINTEST) * reading.age_h) / FADE_HOURS);
    for (const [column, element] of plant.elements.entries()) {
      const colour = palette.elements[column] ?? palette.text;
      drawReading(ctx, frame, reading, element, frame.middle(stage), colour, palette.panel);
    }
  }
  ctx.globalAlpha = 1;
}

function drawReading(
  ctx: Context, frame: Frame, reading: Reading, element: string,
  x: number, colour: string, inside: string,
): void {
  const fraction = reading.fraction[element];
  const sigma = reading.sigma[element] ?? 0;
  if (fraction == null) return;
  ctx.setLineDash([]);
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = colour;
  const [top, bottom] = [frame.level(fraction + 2 * sigma), frame.level(fraction - 2 * sigma)];
  if (fraction + 2 * sigma > 10 ** LOWEST_POWER) {
    stroke(ctx, colour, x, top, x, bottom);
    stroke(ctx, colour, x - 3, top, x + 3, top);
  }
  // A value at or under the axis shows only its upper bound.
  if (fraction <= 10 ** LOWEST_POWER) return;
  const y = frame.level(fraction);
  if (reading.quality === "bad") {
    stroke(ctx, colour, x - 4, y - 4, x + 4, y + 4);
    stroke(ctx, colour, x - 4, y + 4, x + 4, y - 4);
    return;
  }
  ctx.beginPath();
  if (reading.stage === null) ctx.rect(x - 3.2, y - 3.2, 6.4, 6.4);
  else ctx.arc(x, y, 3.8, 0, 2 * Math.PI);
  ctx.fillStyle = reading.quality === "stale" ? inside : colour;
  ctx.fill();
  ctx.stroke();
}
