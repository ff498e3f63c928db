/** The visitor's own questions, answered by the model as it was and as it is. */
import { signal } from "@preact/signals";
import type { Match } from "../worker/protocol.ts";
import { comparisons, engine, perform, queries } from "./store.ts";

const typed = signal("");

async function ask(asked: readonly string[]): Promise<void> {
  queries.value = asked;
  const answered = await perform("train", "Looking", () => engine.compare({ queries: asked }));
  if (answered !== undefined) comparisons.value = answered;
}

/** At most so many questions side by side. */
const MOST_QUERIES = 5;

export function ComparisonView() {
  return (
    <div class="card comparison">
      <h3>Ask it yourself</h3>
      <p class="note">The nearest of your texts, by the model as it was and as it is now.</p>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          const query = typed.value.trim();
          typed.value = "";
          if (query !== "") void ask([query, ...queries.value.filter((other) => other !== query)].slice(0, MOST_QUERIES));
        }}
      >
        <input
          type="text"
          aria-label="Your question"
          placeholder="A question in your own words"
          maxLength={500}
          value={typed}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
        <button type="submit">Ask</button>
      </form>
      {comparisons.value.map(({ query, before, now }) => (
        <article key={query}>
          <h4>
            {query}
            <button
              type="button"
              class="quiet"
              aria-label={`Remove ${query}`}
              onClick={() => ask(queries.value.filter((other) => other !== query))}
            >
              Remove
            </button>
          </h4>
          <div class="sides">
            <Side title="Before" side="before" matches={before} others={now} />
            <Side title="Now" side="now" matches={now} others={before} />
          </div>
        </article>
      ))}
    </div>
  );
}

interface SideProps {
  readonly title: string;
  readonly side: "before" | "now";
  readonly matches: readonly Match[] | null;
  readonly others: readonly Match[] | null;
}

function Side({ title, side, matches, others }: SideProps) {
  const isNew = (text: string) => others !== null && side === "now" && !others.some((other) => other.text === text);
  return (
    <section class={`side ${side}`}>
      <h5>{title}</h5>
      {matches === null ? (
        <p class="note">As soon as training has begun.</p>
      ) : (
        <ol>
          {matches.map(({ text, score }) => (
            <li key={text} class={isNew(text) ? "new" : ""}>
              <span class="score">{score.toFixed(2)}</span>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
