/**
 * The circumstances of the toy corpus that fit every domain: when something was done, and how. The place belongs to the domain.
 */

/** A circumstance that fits every domain, with several wordings of the same meaning. */
export type Wordings = readonly string[];

/** When it happened. */
export const TIMES: readonly Wordings[] = [
  ["at dawn", "at the break of day"],
  ["at noon", "in the middle of the day"],
  ["at midnight"],
  ["after sunset", "after the sun had set"],
  ["before breakfast"],
  ["after lunch"],
  ["on Monday"],
  ["on Friday"],
  ["last winter"],
  ["last summer"],
  ["in spring", "in the spring"],
  ["in autumn", "in the autumn"],
  ["on the first of May"],
  ["a week ago", "one week ago"],
  ["during the holidays", "over the holidays"],
  ["on New Year's Eve"],
  ["many years ago", "a good many years ago"],
  ["yesterday"],
];

/** How it was done: an adverb that may stand before the verb, or a phrase that may stand behind it. */
export const MANNERS: readonly { readonly adverb: string; readonly phrase: string }[] = [
  { adverb: "quietly", phrase: "quietly" },
  { adverb: "carefully", phrase: "with great care" },
  { adverb: "proudly", phrase: "proudly" },
  { adverb: "patiently", phrase: "with patience" },
  { adverb: "hastily", phrase: "hastily" },
  { adverb: "secretly", phrase: "in secret" },
  { adverb: "cheerfully", phrase: "cheerfully" },
  { adverb: "slowly", phrase: "slowly" },
  { adverb: "accidentally", phrase: "by accident" },
  { adverb: "skilfully", phrase: "skilfully" },
  { adverb: "eagerly", phrase: "eagerly" },
  { adverb: "calmly", phrase: "calmly" },
  { adverb: "stubbornly", phrase: "stubbornly" },
  { adverb: "gladly", phrase: "gladly" },
];
