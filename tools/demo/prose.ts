/** Plain text from comments and Markdown. */

/** Without links, emphasis, code marks and tags, on one line. */
export function plainText(text: string): string {
  return text
    .replace(/\{@\w+ ([^}]*)\}/g, "$1")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/<\/?[a-z][^>\n]*>/gi, "")
    .replace(/(\*\*|__|`+)/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** The first sentence of a text, without its full stop. */
export function firstSentence(text: string): string {
  const plain = plainText(text);
  const end = /[.:;?!](?=\s+[A-Z0-9`(])/.exec(plain);
  return (end === null ? plain : plain.slice(0, end.index + 1)).replace(/[.:;]$/, "");
}

/** Counts the lines of a text up to any place in it. Places must not go back. */
export function lineCounter(text: string): (at: number) => number {
  let line = 1;
  let counted = 0;
  return (at) => {
    for (; counted < at; counted++) if (text.charCodeAt(counted) === 10) line++;
    return line;
  };
}
