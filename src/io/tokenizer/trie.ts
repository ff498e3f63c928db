/**
 * Strings with ids, for finding the longest one at a place in a text: the search of WordPiece and of added tokens.
 *
 * A node is a number and an edge a slot of one open hash table. So a search creates no strings, and a vocabulary is a few arrays.
 */

const FIRST_CAPACITY = 1024;

export class Trie {
  /** The id of the string that ends at a node, or -1. */
  #ids = new Int32Array(FIRST_CAPACITY).fill(-1);
  #nodes = 1;
  /** Edges: the source node, the UTF-16 unit, and the target node; 0 for an empty slot, because no edge leads to the root. */
  #from = new Int32Array(2 * FIRST_CAPACITY);
  #unit = new Uint16Array(2 * FIRST_CAPACITY);
  #to = new Int32Array(2 * FIRST_CAPACITY);
  /** Length in UTF-16 units of the last string found by `longest`. */
  matched = 0;

  constructor(strings: Iterable<readonly [string: string, id: number]>) {
    for (const [string, id] of strings) this.#insert(string, id);
  }

  /** The id of the longest string in `text` at `start`, or -1; `matched` is its length. */
  longest(text: string, start: number): number {
    let node = 0;
    let found = -1;
    this.matched = 0;
    for (let at = start; at < text.length; at++) {
      node = this.#to[this.#slot(node, text.charCodeAt(at))]!;
      if (node === 0) break;
      const id = this.#ids[node]!;
      if (id === -1) continue;
      found = id;
      this.matched = at + 1 - start;
    }
    return found;
  }

  #insert(string: string, id: number): void {
    let node = 0;
    for (let at = 0; at < string.length; at++) {
      const unit = string.charCodeAt(at);
      const slot = this.#slot(node, unit);
      node = this.#to[slot]! || this.#addEdge(slot, node, unit);
    }
    this.#ids[node] = id;
  }

  #addEdge(slot: number, from: number, unit: number): number {
    const node = this.#nodes++;
    this.#from[slot] = from;
    this.#unit[slot] = unit;
    this.#to[slot] = node;
    if (this.#nodes === this.#ids.length) this.#grow();
    return node;
  }

  /** The slot of an edge from a node, or the empty slot where it would be. */
  #slot(from: number, unit: number): number {
    const mask = this.#to.length - 1;
    let slot = (Math.imul(from, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 7;
    for (slot &= mask; this.#to[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#from[slot] === from && this.#unit[slot] === unit) break;
    }
    return slot;
  }

  #grow(): void {
    const [from, unit, to] = [this.#from, this.#unit, this.#to];
    const ids = new Int32Array(2 * this.#ids.length).fill(-1);
    ids.set(this.#ids);
    this.#ids = ids;
    this.#from = new Int32Array(2 * from.length);
    this.#unit = new Uint16Array(2 * from.length);
    this.#to = new Int32Array(2 * from.length);
    for (let old = 0; old < to.length; old++) {
      if (to[old] === 0) continue;
      const slot = this.#slot(from[old]!, unit[old]!);
      this.#from[slot] = from[old]!;
      this.#unit[slot] = unit[old]!;
      this.#to[slot] = to[old]!;
    }
  }
}
