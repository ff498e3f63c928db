/** How long the texts are, as bars. */
import type { Lengths } from "../worker/protocol.ts";
import { formatCount } from "./format.ts";

const width = 320;
const height = 96;

export function Histogram({ lengths: { counts, width: bin, p95, longest, measured } }: { readonly lengths: Lengths }) {
  const most = Math.max(...counts, 1);
  const step = width / counts.length;
  const end = counts.length * bin;
  return (
    <figure class="card histogram">
      <h3>How long your texts are</h3>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`95 of 100 texts have at most ${p95} word pieces, the longest ${longest}.`}
      >
        {counts.map((count, at) => {
          const tall = Math.max(count > 0 ? 1.5 : 0, (count / most) * height);
          const isLong = at * bin > p95;
          return (
            <rect
              key={at}
              x={at * step + 1}
              y={height - tall}
              width={Math.max(1, step - 2)}
              height={tall}
              rx={1.5}
              class={isLong ? "long" : ""}
            >
              <title>{`${at * bin} to ${(at + 1) * bin - 1} word pieces: ${formatCount(count)}`}</title>
            </rect>
          );
        })}
      </svg>
      <div class="axis" aria-hidden="true">
        <span>0</span>
        <span>{longest >= end ? `${end}+` : end} word pieces</span>
      </div>
      <figcaption>
        95 of 100 have at most {p95}, the longest {formatCount(longest)}
        {measured > 0 && ` (of ${formatCount(measured)} texts)`}. A word is about one and a half pieces.
      </figcaption>
    </figure>
  );
}
