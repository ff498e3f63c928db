/** Values of files as messages show them: short, on one line, with control characters escaped, and however deep they are nested. */

const MAX_SHOWN = 60;

export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  // JSON escapes only some control characters; an escape sequence of a terminal may begin with others.
  const text = (JSON.stringify(value) ?? String(value)).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}… (${text.length} characters)`;
}
