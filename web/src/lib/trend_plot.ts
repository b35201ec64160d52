/** What the three trend plots show, and how uPlot is told. */
import uPlot from "uplot";
import { powerOfTen } from "./format";
import type { Plant, Upset, Value } from "./messages";
import type { Palette } from "./theme.svelte";
import type { TrendMemory } from "./trend";

export interface Trace {
  label: string;
  column: string;
  colour: (palette: Palette) => string;
  /** A second column in the same colour: a setpoint as a line, or assays as rings. */
  companion?: string;
  /** Shown value = stored value × scale. */
  scale: number;
}

export interface TrendSpec {
  name: string;
  title: string;
  unit: string;
  logarithmic: boolean;
  traces: Trace[];
  /** What the two columns of numbers beside the plot are. */
  heads: [string, string];
  companion: "line" | "rings" | null;
  limit?: { value: number; text: string };
  share: number;
}

const element = (plant: Plant, symbol: string | undefined) => (palette: Palette) =>
  palette.elements[plant.elements.indexOf(symbol ?? "")] ?? palette.text;

/** The plots of a plant; a column the server does not send leaves its trace out. */
export function trendSpecs(plant: Plant, memory: TrendMemory): TrendSpec[] {
  const tightest = Math.min(...plant.products.map((product) => 1 - product.limit));
  const impurities = plant.products.map((product): Trace => ({
    label: product.title, column: `${product.name}_impurity`, scale: 1,
    companion: `${product.name}_lab_impurity`, colour: element(plant, product.keys[0]),
  }));
  const flows = plant.levers.map((lever, index): Trace => ({
    label: lever.title, column: lever.name, scale: 100 / lever.nominal,
    companion: `${lever.name}_sp`, colour: (palette) => palette.levers[index] ?? palette.text,
  }));
  const disturbances: Trace[] = [
    {
      label: "Nd in feed, by mass", column: "feed_nd_mass_fraction", scale: 100,
      colour: element(plant, "Nd"),
    },
    {
      label: "Saponification", column: "saponification_degree", scale: 100,
      colour: (palette) => palette.levers[3] ?? palette.text,
    },
  ];
  const specs: TrendSpec[] = [
    {
      name: "impurity", title: "Impurity", unit: "fraction of REO", logarithmic: true, share: 1.25,
      traces: impurities, heads: ["plant", "lab"], companion: "rings",
      limit: { value: tightest, text: `limit ${powerOfTen(Math.round(Math.log10(tightest)))}` },
    },
    {
      name: "levers", title: "Flows", unit: "% of nominal", logarithmic: false, share: 1,
      traces: flows, heads: ["measured", "setpoint"], companion: "line",
    },
    {
      name: "disturbances", title: "Disturbances", unit: "%", logarithmic: false, share: 0.85,
      traces: plant.virtual ? disturbances : [], heads: ["plant", ""], companion: null,
    },
  ];
  return specs
    .map((spec) => {
      const traces = spec.traces.filter(({ column }) => memory.has(column));
      const paired = traces.some(({ companion }) => companion && memory.has(companion));
      return { ...spec, traces, companion: paired ? spec.companion : null };
    })
    .filter((spec) => spec.traces.length > 0);
}

/** Columns of one plot in the order uPlot draws them: companions on top. */
function drawn(spec: TrendSpec): { column: string; trace: Trace; second: boolean }[] {
  const main = spec.traces.map((trace) => ({ column: trace.column, trace, second: false }));
  const pairs = spec.companion === null ? [] : spec.traces.map((trace) => (
    { column: trace.companion ?? "", trace, second: true }
  ));
  return [...main, ...pairs];
}

/** Rows of one plot from the first row on, time first, as uPlot takes them. */
export function trendData(spec: TrendSpec, memory: TrendMemory, first: number): uPlot.AlignedData {
  const time = memory.time.slice(first);
  const columns = drawn(spec).map(({ column, trace }) => {
    const rows = memory.column(column);
    return time.map((_, i): Value => {
      const value = rows[first + i];
      return value == null || (spec.logarithmic && value <= 0) ? null : value * trace.scale;
    });
  });
  return [time, ...columns];
}

function verticalRange(spec: TrendSpec): uPlot.Range.Function {
  if (spec.logarithmic) {
    return (_plot, low, high) => [
      10 ** Math.max(-7, Math.min(-4, Math.floor(Math.log10(low || 1e-4)))),
      10 ** Math.min(0, Math.max(-2, Math.ceil(Math.log10(high || 1e-2)))),
    ];
  }
  return (plot, least, most) => {
    const [low, high] = spec.companion === "line"
      ? usualRange(plot.data.slice(1) as Value[][])
      : [least ?? 0, most ?? 100];
    const room = Math.max(0.15 * (high - low), 0.5);
    return [low - room, high + room];
  };
}

/** The range of all but the outermost hundredth: a pump's brief stop must not flatten the rest. */
function usualRange(columns: Value[][]): [number, number] {
  const sampled = columns.map((column) => {
    const step = Math.max(1, Math.floor(column.length / 400));
    const values: number[] = [];
    for (let i = column.length - 1; i >= 0; i -= step) {
      const value = column[i];
      if (value != null) values.push(value);
    }
    return values.sort((a, b) => a - b);
  });
  const at = (values: number[], share: number) => values[Math.round(share * (values.length - 1))];
  const lows = sampled.map((values) => at(values, 0.01) ?? Infinity);
  const highs = sampled.map((values) => at(values, 0.99) ?? -Infinity);
  const range: [number, number] = [Math.min(...lows), Math.max(...highs)];
  return Number.isFinite(range[0]) && Number.isFinite(range[1]) ? range : [0, 100];
}

function shadeUpsets(palette: Palette, upsets: () => Upset[]) {
  return (plot: uPlot) => {
    const { ctx, bbox } = plot;
    const scale = plot.scales["x"];
    if (scale?.min == null || scale.max == null) return;
    ctx.save();
    ctx.fillStyle = palette.shade;
    for (const { from_h, to_h } of upsets()) {
      if (from_h > scale.max || (to_h ?? Infinity) < scale.min) continue;
      const start = plot.valToPos(Math.max(from_h, scale.min), "x", true);
      const end = plot.valToPos(Math.min(to_h ?? Infinity, scale.max), "x", true);
      ctx.fillRect(start, bbox.top, Math.max(end - start, devicePixelRatio), bbox.height);
    }
    ctx.restore();
  };
}

function drawLimit(palette: Palette, limit: NonNullable<TrendSpec["limit"]>) {
  return (plot: uPlot) => {
    const { ctx, bbox } = plot;
    const y = Math.round(plot.valToPos(limit.value, "y", true));
    ctx.save();
    ctx.strokeStyle = palette.text;
    ctx.fillStyle = palette.text;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.font = `${11 * devicePixelRatio}px ${palette.font}`;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "left";
    ctx.fillText(limit.text, bbox.left + 6 * devicePixelRatio, y - 2 * devicePixelRatio);
    ctx.restore();
  };
}

export interface TrendOptions {
  spec: TrendSpec;
  palette: Palette;
  width: number;
  height: number;
  showTime: boolean;
  inDays: () => boolean;
  upsets: () => Upset[];
  onCursor: (row: number | null) => void;
}

export function trendOptions(options: TrendOptions): uPlot.Options {
  const { spec, palette, showTime } = options;
  const axis: uPlot.Axis = {
    stroke: palette.muted,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { stroke: palette.line, width: 1, size: 4 },
    font: `11px ${palette.font}`,
    gap: 3,
  };
  const hours = [1, 2, 4, 6, 12, 24, 48, 96, 120, 168, 240, 480, 720, 1200, 2400, 4800];
  const decade = (value: number) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;
  const decadesOnly: uPlot.Axis.Filter = (_plot, splits) =>
    splits.map((value) => (spec.logarithmic && !decade(value) ? null : value));
  return {
    width: options.width,
    height: options.height,
    padding: [8, 8, showTime ? 0 : 8, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "trends", scales: ["x", null] },
      drag: { x: false, y: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: false, range: (_plot, low, high) => [low, Math.max(high, low + 6)] },
      y: { distr: spec.logarithmic ? 3 : 1, range: verticalRange(spec) },
    },
    axes: [
      {
        ...axis,
        incrs: hours,
        space: 64,
        size: showTime ? 20 : 0,
        values: (_plot, splits) =>
          showTime ? splits.map((t) => (options.inDays() ? `${Number((t / 24).toFixed(2))}` : `${t}`)) : [],
      },
      {
        ...axis,
        size: 46,
        space: spec.logarithmic ? 12 : 17,
        grid: { ...axis.grid, filter: decadesOnly },
        ticks: { ...axis.ticks, filter: decadesOnly },
        values: (_plot, splits) =>
          splits.map((value) => {
            if (!spec.logarithmic) return String(Number(value.toFixed(3)));
            return decade(value) ? powerOfTen(Math.round(Math.log10(value))) : "";
          }),
        filter: decadesOnly,
      },
    ],
    series: [
      {},
      ...drawn(spec).map(({ trace, second }): uPlot.Series => {
        const stroke = trace.colour(palette);
        if (second && spec.companion === "rings") {
          const points = { show: true, size: 6, fill: palette.panel, stroke, width: 1.5 };
          return { label: `${trace.label}, lab`, stroke, width: 0, paths: () => null, points };
        }
        // Where a setpoint follows, the noisy measurement stands back behind it.
        const faint = !second && spec.companion === "line";
        return {
          label: trace.label, stroke, width: faint ? 1 : 1.6, alpha: faint ? 0.45 : 1,
          points: { show: false },
        };
      }),
    ],
    hooks: {
      drawClear: [shadeUpsets(palette, options.upsets)],
      draw: spec.limit ? [drawLimit(palette, spec.limit)] : [],
      setCursor: [(plot) => options.onCursor(plot.cursor.idx ?? null)],
    },
  };
}
