/** Which display is shown; the address keeps it, so that a reload or a link leads back to it. */

export const VIEWS = [
  { name: "overview", title: "Overview", level: "L1" },
  { name: "bank", title: "Bank", level: "L2" },
  { name: "control", title: "Control", level: "L3" },
  { name: "diagnostics", title: "Diagnostics", level: "L4" },
  { name: "alarms", title: "Alarms", level: "" },
] as const;

export type ViewName = (typeof VIEWS)[number]["name"];

const KEYS_STORED = "raffinate-keys";
const TYPING = "input:not([type=range]), select, textarea, [contenteditable]";

function fromAddress(): ViewName {
  const wanted = location.hash.slice(1);
  return VIEWS.find(({ name }) => name === wanted)?.name ?? "overview";
}

function keysWanted(): boolean {
  try {
    return localStorage.getItem(KEYS_STORED) !== "off";
  } catch {
    return true; // Storage is shut in some private windows; the page does without.
  }
}

class View {
  current = $state<ViewName>(fromAddress());
  /** Whether the number keys switch; a single key must be possible to turn off (WCAG 2.1.4). */
  keys = $state(keysWanted());

  constructor() {
    addEventListener("hashchange", () => (this.current = fromAddress()));
    addEventListener("keydown", (event) => this.#press(event));
  }

  show(name: ViewName): void {
    if (name === this.current) return;
    // Sets `current` by way of the event, as the browser's back button does.
    location.hash = name;
    scrollTo(0, 0);
  }

  toggleKeys(): void {
    this.keys = !this.keys;
    try {
      localStorage.setItem(KEYS_STORED, this.keys ? "on" : "off");
    } catch {
      // The choice then holds until the page is closed.
    }
  }

  #press(event: KeyboardEvent): void {
    if (!this.keys || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    const view = VIEWS[Number(event.key) - 1];
    if (!view || event.key.length !== 1) return;
    event.preventDefault();
    this.show(view.name);
  }
}

export const view = new View();
