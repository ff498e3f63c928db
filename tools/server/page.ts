/**
 * The search page, in three files without external resources, so that its content security policy allows nothing else. User input and index contents
 * are inserted as text, never as HTML.
 */
const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SimCSE search</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="search.css">
<script src="search.js" type="module"></script>
</head>
<body>
<main>
  <h1>Sentences that mean the same</h1>
  <p class="lead">Type a sentence. The model finds those nearest to it in meaning, whatever words they use.</p>
  <form id="form">
    <label class="field wide">Sentence
      <span class="row"><input id="query" type="search" autocomplete="off" maxlength="2000" placeholder="A man is playing music." required autofocus><button>Search</button></span>
    </label>
    <label class="field wide" id="example-field" hidden>Examples
      <select id="examples"><option value="">Choose one</option></select>
    </label>
    <label class="field">Results <output id="topk-value" for="topk">5</output>
      <input id="topk" type="range" min="1" max="30" step="1" value="5">
    </label>
    <label class="field">Least similarity <output id="threshold-value" for="threshold">0.60</output>
      <input id="threshold" type="range" min="0" max="1" step="0.01" value="0.6">
    </label>
    <label class="field wide" id="key-field" hidden>Key of this server
      <input id="key" type="password" autocomplete="current-password">
    </label>
  </form>
  <p id="status" role="status"></p>
  <ol id="results"></ol>
</main>
</body>
</html>
`;

const css = `:root {
  color-scheme: light dark;
  --page: #f6f6f3;
  --surface: #ffffff;
  --ink: #1b1d20;
  --soft: #5d626a;
  --line: #dcdde0;
  --accent: #2563c9;
  --on-accent: #ffffff;
  --bar: #dbe7fb;
  --bad: #b3261e;
  font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink);
  background: var(--page);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131416;
    --surface: #1c1e21;
    --ink: #e9eaec;
    --soft: #a1a6ae;
    --line: #34373c;
    --accent: #86b3ff;
    --on-accent: #0d1a30;
    --bar: #22344f;
    --bad: #ff9d94;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; }
main { max-width: 46rem; margin: 0 auto; padding: clamp(1.5rem, 6vw, 4rem) clamp(1rem, 4vw, 2rem); }
h1 { margin: 0; font-size: clamp(1.6rem, 5vw, 2.25rem); line-height: 1.15; letter-spacing: -0.01em; text-wrap: balance; }
.lead { margin: 0.6rem 0 1.6rem; color: var(--soft); }
form { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem 1.5rem; padding: 1.25rem; background: var(--surface); border: 1px solid var(--line); border-radius: 0.9rem; }
.field { display: block; min-width: 0; font-size: 0.875rem; color: var(--soft); }
.wide { grid-column: 1 / -1; }
.row { display: flex; gap: 0.5rem; }
input, select, button { font: inherit; color: var(--ink); }
input[type="search"], input[type="password"], select { display: block; flex: 1; width: 100%; min-width: 0; margin-top: 0.25rem; padding: 0.55rem 0.75rem; font-size: 1rem; background: var(--page); border: 1px solid var(--line); border-radius: 0.55rem; }
input[type="range"] { display: block; width: 100%; margin: 0.5rem 0 0; accent-color: var(--accent); }
button { margin-top: 0.25rem; padding: 0.55rem 1.1rem; font-weight: 600; color: var(--on-accent); cursor: pointer; background: var(--accent); border: 0; border-radius: 0.55rem; }
output { float: right; font-variant-numeric: tabular-nums; color: var(--ink); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#status { min-height: 1.5rem; margin: 1.25rem 0 0.5rem; font-size: 0.875rem; color: var(--soft); }
#status.bad { color: var(--bad); }
#results { padding: 0; margin: 0; list-style: none; }
#results li { display: grid; grid-template-columns: 1fr auto; gap: 0.4rem 1rem; align-items: baseline; padding: 0.75rem 0; border-top: 1px solid var(--line); }
#results .sentence { overflow-wrap: anywhere; }
#results .score { font-size: 0.9rem; font-variant-numeric: tabular-nums; color: var(--soft); }
#results meter { grid-column: 1 / -1; width: 100%; height: 0.35rem; appearance: none; background: var(--bar); border: 0; border-radius: 1rem; overflow: hidden; }
#results meter::-webkit-meter-bar { height: 0.35rem; background: var(--bar); border: 0; border-radius: 1rem; }
#results meter::-webkit-meter-optimum-value { background: var(--accent); border-radius: 1rem; }
#results meter::-moz-meter-bar { background: var(--accent); }
@media (max-width: 30rem) { form { grid-template-columns: 1fr; padding: 1rem; } }
`;

const script = `const [form, query, examples, exampleField, topk, threshold, key, keyField, status, results] = [
  "form", "query", "examples", "example-field", "topk", "threshold", "key", "key-field", "status", "results",
].map((id) => document.getElementById(id));

const say = (text, bad = false) => {
  status.textContent = text;
  status.className = bad ? "bad" : "";
};

const ask = async (path) => {
  const response = await fetch(path, key.value === "" ? {} : { headers: { Authorization: "Bearer " + key.value } });
  if (response.status === 401) keyField.hidden = false;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? "The server answered " + response.status + ".");
  return answer;
};

const make = (name, className, text) => {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
};

const row = ({ sentence, score }) => {
  const item = make("li", "", "");
  const meter = make("meter", "", "");
  meter.value = Math.max(0, score);
  meter.title = "similarity";
  item.append(make("span", "sentence", sentence), make("span", "score", score.toFixed(4)), meter);
  return item;
};

let latest = 0;
const search = async () => {
  const text = query.value.trim();
  if (text === "") return;
  const number = ++latest;
  say("Searching …");
  try {
    const { ret, best, time } = await ask("api?" + new URLSearchParams({ query: text, topk: topk.value, threshold: threshold.value }));
    if (number !== latest) return;
    results.replaceChildren(...ret.map(row));
    const none = best === undefined ? "Nothing to find" : "Nothing is that similar: the best has " + best.toFixed(2);
    const found = ret.length === 0 ? none : ret.length === 1 ? "1 sentence" : ret.length + " sentences";
    say(found + " · " + (time * 1000).toFixed(0) + " ms");
  } catch (error) {
    if (number !== latest) return;
    results.replaceChildren();
    say(error.message, true);
  }
};

const showValues = () => {
  document.getElementById("topk-value").textContent = topk.value;
  document.getElementById("threshold-value").textContent = Number(threshold.value).toFixed(2);
};

const offerExamples = async () => {
  const { examples: sentences } = await ask("get_examples");
  examples.replaceChildren(examples.firstElementChild, ...sentences.map((sentence) => make("option", "", sentence)));
  exampleField.hidden = sentences.length === 0;
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
for (const slider of [topk, threshold]) {
  slider.addEventListener("input", showValues);
  slider.addEventListener("change", search);
}
examples.addEventListener("change", () => {
  if (examples.selectedIndex === 0) return;
  query.value = examples.value;
  search();
});
key.addEventListener("change", () => {
  offerExamples().catch(() => {});
  search();
});
showValues();
offerExamples().catch((error) => say(error.message, true));
`;

/** Without one, browsers ask for /favicon.ico, which the page's policy forbids. */
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
  <circle cx="24" cy="32" r="16" fill="#2563c9"/>
  <circle cx="42" cy="32" r="16" fill="#2563c9" fill-opacity=".5"/>
</svg>`;

/** By path. */
export const pageFiles: ReadonlyMap<string, { readonly type: string; readonly body: string }> = new Map([
  ["/", { type: "text/html; charset=utf-8", body: html }],
  ["/icon.svg", { type: "image/svg+xml", body: icon }],
  ["/search.css", { type: "text/css; charset=utf-8", body: css }],
  ["/search.js", { type: "text/javascript; charset=utf-8", body: script }],
]);
