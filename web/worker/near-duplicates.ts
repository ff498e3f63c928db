/** Sentences that say nearly the same as an earlier one. */
import { NearDuplicates } from "simcse-webgpu/browser";
import type { DuplicatePair, Handlers } from "./protocol.ts";
import { sentencesOf } from "./sentence-index.ts";
import type { Session } from "./session.ts";

/** Sentences that are encoded and compared at a time. */
const chunk = 512;

export function nearDuplicateHandlers(session: Session): Handlers<"nearDuplicates"> {
  return {
    async nearDuplicates({ which, threshold }, { signal, emit }) {
      const simcse = await session.usable(which);
      const texts = await sentencesOf(session, which);
      using seen = new NearDuplicates(simcse.model.device, simcse.dimension, threshold);
      const pairs: DuplicatePair[] = [];
      for (let start = 0; start < texts.length; start += chunk) {
        const some = texts.slice(start, start + chunk);
        const { data } = await simcse.encode(some, { signal });
        const found = await seen.add(data);
        for (const [at, duplicate] of found.entries())
          if (duplicate !== null) pairs.push({ earlier: texts[duplicate.row]!, later: some[at]!, score: duplicate.score });
        emit({ done: start + some.length, total: texts.length });
      }
      return pairs.sort((a, b) => b.score - a.score);
    },
  };
}
