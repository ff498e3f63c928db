/**
 * The authors' own models (`princeton-nlp/{unsup,sup}-simcse-…`). Their files do not say how embeddings are made. Unsupervised ones were
 * trained with `mlp_only_train`, so their MLP is not used; supervised ones keep it.
 */
import type { PoolerType } from "./poolers.ts";

const poolers: Readonly<Record<string, PoolerType>> = { unsup: "cls_before_pooler", sup: "cls" };

/** The pooler of an official model by its name, a folder of that name or in the hub's cache, or its address; null for any other. */
export function officialPooler(name: string): PoolerType | null {
  const match =
    /(?:^|[/\\]|--)(unsup|sup)-simcse-(?:bert|roberta)-(?:base|large)(?:-uncased)?(?:[/\\](?:resolve|snapshots)[/\\][^/\\]+)?[/\\]?$/.exec(
      name,
    );
  return match === null ? null : poolers[match[1]!]!;
}
