/**
 * Finds a key that a JSON object states twice. JSON.parse keeps the last one and says nothing; in a file header that is a lie to report.
 */

/** The first key, in reading order, that its object already has, or undefined. `json` must be valid JSON: it is scanned, not checked. */
export function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfString(json, at);
      if (isFollowedByColon(json, end)) {
        const key = JSON.parse(json.slice(at, end)) as string;
        const keys = open.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The place after the quote that ends the string whose opening quote stands at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}

function isFollowedByColon(json: string, at: number): boolean {
  let next = at;
  while (next < json.length && " \t\n\r".includes(json[next]!)) next++;
  return json[next] === ":";
}
