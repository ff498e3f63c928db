/** The special tokens that a post-processor puts around the ids of a text. */
import { show } from "../../show.ts";
import { type Part, type Place, refuse } from "./parts.ts";

export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NOTHING: Frame = { before: [], after: [] };

/** Throws FormatError, naming the place, for a template that does not contain the text exactly once. */
export function frameOf(place: Place, processor: Part | null): Frame {
  if (processor === null || processor.type === "ByteLevel") return NOTHING;
  if (processor.type === "TemplateProcessing") return templateFrame(place, processor);
  if (processor.type === "Sequence") {
    const frames = (processor.processors as Part[]).map((inner, index) =>
      frameOf({ ...place, way: `${place.way}.processors[${index}]` }, inner),
    );
    return frames.reduce(
      (inner, { before, after }) => ({ before: [...before, ...inner.before], after: [...inner.after, ...after] }),
      NOTHING,
    );
  }
  const [cls, sep] = [processor.cls, processor.sep] as [[string, number], [string, number]];
  return { before: [cls[1]], after: [sep[1]] };
}

function templateFrame(place: Place, { single, special_tokens }: Part): Frame {
  const items = single as Record<string, { id?: unknown } | undefined>[];
  const text = items.findIndex(({ Sequence }) => Sequence?.id === "A");
  const idsOf = (item: Record<string, { id?: unknown } | undefined>, index: number): number[] => {
    const name = item.SpecialToken?.id;
    const tokens = special_tokens as Record<string, { ids?: unknown } | undefined>;
    const ids = typeof name === "string" && Object.hasOwn(tokens, name) ? tokens[name]?.ids : undefined;
    if (Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id))) return ids;
    return refuse(
      { ...place, way: `${place.way}.single[${index}]` },
      `is ${show(name ?? item)}, expected a special token with ids, or the text once`,
    );
  };
  if (text === -1) refuse({ ...place, way: `${place.way}.single` }, "does not hold the text");
  const typed = items.findIndex((item) =>
    Object.values(item).some((entry) => ((entry as { type_id?: unknown } | null)?.type_id ?? 0) !== 0),
  );
  if (typed !== -1) refuse({ ...place, way: `${place.way}.single[${typed}]` }, "has a type_id other than 0, which is not supported");
  return {
    before: items.slice(0, text).flatMap(idsOf),
    after: items.slice(text + 1).flatMap((item, index) => idsOf(item, text + 1 + index)),
  };
}
