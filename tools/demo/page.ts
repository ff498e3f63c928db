/** The demo's page on a terminal: titles, notes, results and a table of scores, in lines no wider than the terminal. */
import { formatCount, printable } from "../../src/show.ts";
import type { KindScore } from "./lessons.ts";

/** In a pipe, and at most: longer lines are hard to read. */
const widest = 100;
const narrowest = 40;

/** A text that was found, where it stands, and its cosine with the question. */
export interface Found {
  readonly score: number;
  readonly text: string;
  readonly place: string;
}

export class Page {
  readonly #width: number;
  readonly #colours: boolean;

  constructor(readonly stream: NodeJS.WriteStream) {
    this.#width = Math.max(narrowest, Math.min(widest, (stream.columns ?? widest + 1) - 1));
    this.#colours = stream.isTTY === true && !process.env.NO_COLOR;
  }

  line(text = ""): void {
    this.stream.write(`${text}\n`);
  }

  /** A numbered part of the demo. */
  part(number: number, title: string): void {
    this.line();
    this.line(this.#styled("1", `${number}  ${title}`));
  }

  /** A name and what it is. */
  fact(name: string, text: string): void {
    for (const [i, line] of wrap(text, this.#width - 10).entries()) this.line((i === 0 ? name : "").padEnd(10) + line);
  }

  /** A paragraph. */
  note(text: string): void {
    for (const line of wrap(text, this.#width - 3)) this.line(`   ${line}`);
  }

  question(text: string): void {
    this.line();
    for (const line of wrap(text, this.#width - 3)) this.line(`   ${this.#styled("36", line)}`);
  }

  /** Results, the best first. `label` stands before the first one. */
  results(found: readonly Found[], label = ""): void {
    const margin = label === "" ? 3 : 11;
    for (const [i, { score, text, place }] of found.entries()) {
      const room = this.#width - margin - 6;
      this.line(`${`   ${i === 0 ? label : ""}`.padEnd(margin)}${score.toFixed(2)}  ${cut(text, room)}`);
      this.line(`${" ".repeat(margin + 6)}${this.#styled("2", cutLeft(place, room))}`);
    }
  }

  /** Scores before and after, in percent. */
  scores(before: readonly KindScore[], after: readonly KindScore[]): void {
    this.line(`   ${"".padEnd(18)}${"accuracy@1".padStart(16)}${"MRR@10".padStart(18)}`);
    this.line(`   ${"held out".padEnd(18)}${"before".padStart(8)}${"after".padStart(8)}${"before".padStart(10)}${"after".padStart(8)}`);
    for (const [i, { kind, queries, accuracy, mrr }] of before.entries()) {
      const numbers = [percent(accuracy, 8), percent(after[i]!.accuracy, 8), percent(mrr, 10), percent(after[i]!.mrr, 8)];
      const row = `   ${kind.padEnd(10)}${formatCount(queries).padStart(6)}  ${numbers.join("")}`;
      this.line(kind === "all" ? this.#styled("1", row) : row);
    }
  }

  #styled(code: string, text: string): string {
    return this.#colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

const percent = (share: number, width: number) => (100 * share).toFixed(1).padStart(width);

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of printable(text).split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function cut(text: string, width: number): string {
  const shown = printable(text);
  return shown.length <= width ? shown : `${shown.slice(0, width - 1)}…`;
}

/** A path, of which the end matters. */
function cutLeft(text: string, width: number): string {
  const shown = printable(text);
  return shown.length <= width ? shown : `…${shown.slice(1 - width)}`;
}
