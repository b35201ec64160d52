/** Where the impurities of a what-if run stand in its chart: hours against a logarithmic axis. */
import { powerOfTen } from "./format";
import type { Columns, Plant, Value } from "./messages";

export interface ChartBox {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface ChartLine {
  name: string;
  title: string;
  /** Which of the theme's element colours it wears, from 1. */
  colour: number;
  path: string;
  /** Height of its end, where its name stands. */
  end: number;
  limit: number;
}

export interface Chart {
  lines: ChartLine[];
  powers: { y: number; text: string }[];
  hours: { x: number; text: string }[];
  limits: { y: number; text: string }[];
}

const HOUR_STEPS = [6, 12, 24, 48, 72, 96];

/** Least space between two names at the right edge, in pixels. */
const NAME_SPACE = 14;

const known = (values: Value[]): number[] =>
  values.filter((value): value is number => value !== null && value > 0);

export function impurityChart(
  plant: Plant, columns: Columns, hours: number, box: ChartBox,
): Chart {
  const times = columns["t_h"] ?? [];
  // The copy may be a little older than the present: its own first row is where it begins.
  const from_h = times[0] ?? 0;
  const impurities = plant.products.map((product) => columns[`${product.name}_impurity`] ?? []);
  const levels = [
    ...impurities.flatMap(known), ...plant.products.map((product) => 1 - product.limit),
  ];
  const low = Math.floor(Math.log10(Math.min(...levels)) - 0.05);
  const high = Math.ceil(Math.log10(Math.max(...levels)) + 0.05);
  const x = (t_h: number) => box.left + ((box.right - box.left) * (t_h - from_h)) / hours;
  const y = (impurity: number) =>
    box.bottom - ((box.bottom - box.top) * (Math.log10(impurity) - low)) / (high - low);

  const lines = plant.products.map((product, i): ChartLine => {
    let path = "";
    let end = y(1 - product.limit);
    (impurities[i] ?? []).forEach((impurity, row) => {
      const time = times[row];
      if (impurity === null || impurity <= 0 || time == null) return;
      end = y(impurity);
      path += `${path === "" ? "M" : "L"}${x(time).toFixed(1)} ${end.toFixed(1)}`;
    });
    const colour = plant.elements.indexOf(product.keys[0] ?? "") + 1;
    return { name: product.name, title: product.title, colour, path, end, limit: 1 - product.limit };
  });
  const byHeight = lines.toSorted((a, b) => a.end - b.end);
  byHeight.forEach((line, i) => {
    const above = byHeight[i - 1];
    if (above) line.end = Math.max(line.end, above.end + NAME_SPACE);
  });

  const step = HOUR_STEPS.find((size) => hours / size <= 8) ?? 120;
  const count = Math.floor(hours / step);
  return {
    lines,
    powers: Array.from({ length: high - low + 1 }, (_, i) => ({
      y: y(10 ** (low + i)), text: powerOfTen(low + i),
    })),
    hours: Array.from({ length: count + 1 }, (_, i) => ({
      x: x(from_h + i * step), text: `${i * step}`,
    })),
    limits: [...new Set(plant.products.map((product) => 1 - product.limit))].map((limit) => ({
      y: y(limit), text: "limit",
    })),
  };
}
