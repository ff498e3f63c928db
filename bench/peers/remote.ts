/**
 * A peer in a separate process, so that its memory can be measured and a crash affects no other. Between its turns the process is stopped: some libraries
 * poll their device or spin their threads when idle, and would take cores from the peer whose turn it is.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Peer } from "./peer.ts";
import type { Session } from "./session.ts";

type Verb = { [Name in keyof Session]: Session[Name] extends (...given: never[]) => Promise<unknown> ? Name : never }[keyof Session];

export interface Question {
  readonly ask: Verb;
  readonly given: unknown[];
}

export type Answer = { readonly value: unknown } | { readonly failure: string };

/** A peer that is silent for this long is excluded: compiling a training step takes some of them more than a minute. */
const patienceMs = 600_000;

const program = fileURLToPath(new URL("child.ts", import.meta.url));

export class RemotePeer {
  readonly #child: ChildProcess;
  #complaint = "";
  #answered: ((answer: Answer) => void) | null = null;

  constructor(peer: Peer, folder: string, environment: Readonly<Record<string, string>>) {
    this.#child = fork(program, [peer.name, folder], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    this.#child.stderr!.on("data", (text: Buffer) => {
      this.#complaint = (this.#complaint + text).slice(-4000);
    });
    this.#child.on("message", (answer: Answer) => this.#answer(answer));
    this.#child.on("exit", (code, signal) => this.#answer({ failure: `its process ended with ${signal ?? code}: ${this.#lastWords()}` }));
  }

  /** Asks one question at a time. Throws with the peer's reason if it fails. */
  async ask<Name extends Verb>(ask: Name, ...given: Parameters<Session[Name]>): Promise<Awaited<ReturnType<Session[Name]>>> {
    if (!this.#child.connected) throw new Error(`its process has ended: ${this.#lastWords()}`);
    this.#signal("SIGCONT");
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Answer>((resolve) => {
      this.#answered = resolve;
      timer = setTimeout(() => resolve({ failure: `no answer in ${patienceMs / 60_000} minutes` }), patienceMs);
      this.#child.send({ ask, given } satisfies Question);
    });
    clearTimeout(timer);
    this.#signal("SIGSTOP");
    if ("failure" in answer) throw new Error(answer.failure);
    return answer.value as Awaited<ReturnType<Session[Name]>>;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }

  /** Windows has no such signals. */
  #signal(signal: "SIGSTOP" | "SIGCONT"): void {
    if (process.platform !== "win32") this.#child.kill(signal);
  }

  #answer(answer: Answer): void {
    this.#answered?.(answer);
    this.#answered = null;
  }

  #lastWords(): string {
    return (
      this.#complaint
        .trim()
        .split("\n")
        .findLast((line) => /error/i.test(line)) ?? "no message"
    );
  }
}
