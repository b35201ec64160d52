/** Where everything stands in the picture of the bank, in CSS pixels. */
import { stageCount } from "./fractions";
import type { Plant } from "./messages";

/** The plot spans mole fractions from 1e-5 to 1. */
export const LOWEST_POWER = -5;

const SECTION_HEIGHT = 17;
const PORT_HEIGHT = 16;
const ROW_HEIGHT = 15;
const GAP = 9;
const AXIS_HEIGHT = 34;

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  stages: number;
  sectionTop: number;
  portTop: number;
  aqueousTop: number;
  organicTop: number;
  rowHeight: number;
  plotTop: number;
  plotBottom: number;
  /** Left edge of a stage's cell, stage 1 first. */
  edge: (stage: number) => number;
  middle: (stage: number) => number;
  /** Height of a mole fraction on the logarithmic axis, kept inside the plot. */
  level: (fraction: number) => number;
  stageAt: (x: number) => number;
}

export function frameOf(plant: Plant, width: number, height: number): Frame {
  const compact = width < 560;
  const stages = stageCount(plant);
  const left = compact ? 44 : 76;
  const right = width - (compact ? 6 : 12);
  const step = (right - left) / stages;
  const aqueousTop = SECTION_HEIGHT + PORT_HEIGHT;
  const organicTop = aqueousTop + ROW_HEIGHT + 1;
  const plotTop = organicTop + ROW_HEIGHT + GAP;
  const plotBottom = height - AXIS_HEIGHT;
  const edge = (stage: number) => left + (stage - 1) * step;
  return {
    width, height, left, right, stages, aqueousTop, organicTop, plotTop, plotBottom, edge,
    sectionTop: 0,
    portTop: SECTION_HEIGHT,
    rowHeight: ROW_HEIGHT,
    middle: (stage) => edge(stage) + step / 2,
    level: (fraction) => {
      const power = Math.log10(Math.max(fraction, 1e-12));
      const share = Math.min(1, Math.max(0, 1 - power / LOWEST_POWER));
      return plotBottom - share * (plotBottom - plotTop);
    },
    stageAt: (x) => Math.min(stages, Math.max(1, Math.floor((x - left) / step) + 1)),
  };
}
