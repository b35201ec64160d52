"""Style of the fit report: light and dark, from a telephone to a wide screen."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2429; --muted: #58646d; --grid: #e3e7ea;
  --band: #d9e3ec; --page: #ffffff; --card: #f7f9fa; --accent: #0b6aa2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ec; --muted: #9aa7b0; --grid: #2c353b; --band: #2b3d4b; --page: #14191c;
    --card: #1b2226; --accent: #6cb8e6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: clamp(1.4rem, 4vw, 2rem); line-height: 1.2; margin: 0 0 1.25rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 0.25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.25rem; }
p { max-width: 46rem; margin: 0 0 1rem; color: var(--muted); }
.eyebrow { margin: 0; color: var(--accent); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 0.75rem; margin: 0; }
.figures div { background: var(--card); border-radius: 8px; padding: 0.75rem 0.9rem;
  display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { color: var(--muted); font-size: 0.85rem; line-height: 1.35; }
.figures dd { margin: 0; font-size: 1.6rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.gallery { display: grid; gap: 1.25rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 0.25rem; }
svg { display: block; width: 100%; height: auto; max-width: 34rem; }
.wide { overflow-x: auto; margin: 0.75rem 0 1.25rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; white-space: nowrap; }
th, td { padding: 0.3rem 0.9rem 0.3rem 0; text-align: left; vertical-align: top; }
th { color: var(--muted); font-weight: 500; border-bottom: 1px solid var(--grid); }
td { border-bottom: 1px solid var(--grid); }
td:last-child:not(.n) { min-width: 16rem; }
.n { text-align: right; white-space: nowrap; }
.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem;
  font-size: 0.9rem; }
ul { padding-left: 1.2rem; max-width: 56rem; overflow-wrap: anywhere; }
"""
"""The stylesheet of `raffinate.plots.fit_html`."""
