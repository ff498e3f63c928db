/** The style of a report: one column on a phone, charts side by side on wider screens, light or dark as the reader prefers. */
export const reportStyle = `
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b2330; --faint: #5d6b7e; --rule: #dfe4ea; --panel: #f6f8fa;
  --series-0: #1a5fb4; --series-1: #c64600; --series-2: #26794f; --series-3: #8a3ab9; --series-4: #a51d2d; --series-5: #6f5b00; --series-6: #00788a; --series-7: #5d6b7e; }
@media (prefers-color-scheme: dark) { :root { --paper: #12161c; --ink: #e4e9f0; --faint: #9aa7b8; --rule: #2b3440; --panel: #1a2029;
  --series-0: #78aeed; --series-1: #ffa348; --series-2: #6bd19c; --series-3: #c79bea; --series-4: #f28b96; --series-5: #d9c25a; --series-6: #5ccfdf; --series-7: #9aa7b8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 75rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; overflow-wrap: anywhere; }
a { color: var(--series-0); }
h2 { margin: 2.2rem 0 .7rem; font-size: 1.15rem; }
header p { margin: .4rem 0 0; color: var(--faint); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0 0; }
.facts div { padding: .6rem .8rem; background: var(--panel); border-radius: .4rem; }
.facts dt { color: var(--faint); font-size: .8rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.2rem 1.6rem; }
figure { margin: 0; display: flex; flex-direction: column; }
figure svg { margin-top: auto; }
figcaption small { color: var(--faint); }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: 0; color: var(--faint); font-size: .82rem; }
.legend span::before { content: ""; display: inline-block; width: .9em; height: .2em; margin-right: .35em; vertical-align: middle; background: var(--line); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 11px; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg path { fill: none; stroke: var(--line); stroke-width: 1.8; stroke-linejoin: round; }
svg circle { fill: var(--line); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
.scores th, .scores td { padding: .3rem .7rem; text-align: right; white-space: nowrap; }
.options { margin: 0; columns: 21rem; column-gap: 1.6rem; }
.options div { display: flex; gap: 1rem; justify-content: space-between; padding: .25rem 0; border-bottom: 1px solid var(--rule); break-inside: avoid; }
.options dt { font-family: ui-monospace, monospace; font-size: .85rem; }
.options dd { margin: 0; overflow-wrap: anywhere; text-align: right; }
pre { margin: .5rem 0; padding: .8rem 1rem; overflow-x: auto; background: var(--panel); border-radius: .4rem; font: .85rem/1.5 ui-monospace, monospace; }
.notes { margin: .5rem 0 1.2rem; color: var(--faint); font-size: .9rem; overflow-wrap: anywhere; }
`;
