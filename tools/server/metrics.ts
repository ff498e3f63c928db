/** The server's counters, for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface ServerMetrics {
  readonly registry: Registry;
  request(route: string, status: number, seconds: number): void;
  encoded(sentences: number, tokens: number): void;
  batch(sentences: number): void;
}

/** `waiting` returns the current number of waiting inputs. */
export function createMetrics(waiting: () => number): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: "simcse_requests_total",
    help: "Requests by route and status",
    labelNames: ["route", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "simcse_request_seconds",
    help: "Seconds from a request to its answer",
    labelNames: ["route"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const sentences = new Counter({ name: "simcse_sentences_total", help: "Sentences encoded", registers });
  const tokens = new Counter({ name: "simcse_tokens_total", help: "Tokens encoded", registers });
  const batches = new Histogram({
    name: "simcse_batch_sentences",
    help: "Sentences of a batch, joined from all clients",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  });
  new Gauge({
    name: "simcse_queue_sentences",
    help: "Sentences that wait",
    registers,
    collect() {
      this.set(waiting());
    },
  });
  return {
    registry,
    request: (route, status, duration) => {
      requests.inc({ route, status: String(status) });
      seconds.observe({ route }, duration);
    },
    encoded: (count, tokenCount) => {
      sentences.inc(count);
      tokens.inc(tokenCount);
    },
    batch: (count) => batches.observe(count),
  };
}
