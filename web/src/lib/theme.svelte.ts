/** Light or dark, as the system asks until the reader chooses; and the colours and font canvases need. */

export interface Palette {
  font: string;
  text: string;
  muted: string;
  line: string;
  grid: string;
  panel: string;
  inset: string;
  accent: string;
  high: string;
  shade: string;
  heatLow: string;
  heatMiddle: string;
  heatHigh: string;
  elements: string[];
  levers: string[];
}

const STORED = "raffinate-theme";

function stored(): "light" | "dark" | null {
  try {
    const choice = localStorage.getItem(STORED);
    return choice === "light" || choice === "dark" ? choice : null;
  } catch {
    return null; // Storage is shut in some private windows; the page does without.
  }
}

class Theme {
  #choice = $state<"light" | "dark" | null>(stored());
  #system = $state<"light" | "dark">("light");
  name = $derived(this.#choice ?? this.#system);

  constructor() {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => {
      this.#system = query.matches ? "dark" : "light";
      this.#apply();
    };
    query.addEventListener("change", follow);
    follow();
  }

  toggle(): void {
    this.#choice = this.name === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(STORED, this.#choice);
    } catch {
      // The choice then holds until the page is closed.
    }
    this.#apply();
  }

  /** The style sheet owns the colours; canvases read them from it. */
  get palette(): Palette {
    void this.name;
    const style = getComputedStyle(document.documentElement);
    const read = (name: string) => style.getPropertyValue(name).trim();
    const series = (stem: string, count: number) =>
      Array.from({ length: count }, (_, i) => read(`--${stem}-${i + 1}`));
    return {
      font: style.fontFamily,
      text: read("--text"), muted: read("--muted"), line: read("--line"), grid: read("--grid"),
      panel: read("--panel"), inset: read("--inset"), accent: read("--accent"),
      high: read("--high"), shade: read("--shade"),
      heatLow: read("--heat-low"), heatMiddle: read("--heat-middle"), heatHigh: read("--heat-high"),
      elements: series("element", 6), levers: series("lever", 4),
    };
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.name;
  }
}

export const theme = new Theme();
