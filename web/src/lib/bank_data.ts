/** What the bank displays draw: the present, a frame of the past, or a what-if. */
import type { WhatIf } from "./enquiries.svelte";
import type { PlantState, Profile, Reading, ReplayFrame, Target } from "./messages";

export type BankSource = "live" | "replay" | "what-if";

/** What a bank display shows; exactly one source, never a mixture. */
export interface BankData {
  source: BankSource;
  t_h: number;
  profile: Profile | null;
  readings: Reading[];
  targets: Target[];
}

export const liveBank = (state: PlantState): BankData => ({
  source: "live",
  t_h: state.t_h,
  profile: state.profile,
  readings: state.readings,
  targets: state.targets,
});

/** Targets are not kept in the history, and today's would be wrong beside yesterday's profile. */
export const replayedBank = (frame: ReplayFrame): BankData => ({
  source: "replay",
  t_h: frame.t_h,
  profile: frame.profile,
  readings: frame.readings,
  targets: [],
});

/** No instrument reads a copy. */
export const simulatedBank = (run: WhatIf): BankData => ({
  source: "what-if",
  t_h: run.from_h + run.hours,
  profile: run.answer?.profile ?? null,
  readings: [],
  targets: [],
});
