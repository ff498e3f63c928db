/** `--filter`: a condition on the metadata of index entries, as JSON. */
import { InvalidArgumentError, Option } from "commander";
import { SimcseError } from "../../src/errors.ts";
import { withExactIntegers } from "../../src/io/formats/json.ts";
import { type Filter, metadataMatcher } from "../../src/simcse/search/metadata.ts";

export const filterOption = new Option(
  "--filter <json>",
  'only entries whose metadata match this, such as \'{"lang": "de", "year": {"gte": 2020}, "topic": {"in": ["sport"]}}\'',
).argParser((text: string): Filter => {
  try {
    const filter = JSON.parse(withExactIntegers(text)) as Filter;
    metadataMatcher(filter);
    return filter;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof SimcseError ? `${error.message} ${error.remedy}` : "Give a JSON object.");
  }
});
