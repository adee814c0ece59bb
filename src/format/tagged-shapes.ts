/**
 * The names of an object, as a tree of the orders in which properties come. Objects of a stream have few shapes; their
 * names are then written as one block of bytes that was made once (60 ns instead of 400 for seven names).
 */

export class ShapeNode {
  /** Tag, counts and names, as they stand before the values; made at the first use. */
  block: Uint8Array | null = null;
  #lastName: string | undefined;
  #lastNode: ShapeNode | undefined;
  #next: Map<string, ShapeNode> | undefined;

  /** The node after one more name, or undefined: see `add`. The name met last is found without the map. */
  step(name: string): ShapeNode | undefined {
    if (name === this.#lastName) return this.#lastNode;
    const node = this.#next?.get(name);
    if (node !== undefined) {
      this.#lastName = name;
      this.#lastNode = node;
    }
    return node;
  }

  add(name: string): ShapeNode {
    const node = new ShapeNode();
    this.#next ??= new Map();
    this.#next.set(name, node);
    return node;
  }
}

/** Objects that serve as dictionaries have no end of shapes: the tree then starts anew. */
const MAX_NODES = 4096;

export class ShapeTree {
  root = new ShapeNode();
  #nodes = 0;

  extend(node: ShapeNode, name: string): ShapeNode {
    if (this.#nodes >= MAX_NODES) {
      // Nodes already on their way stay valid, they are only no longer found.
      this.root = new ShapeNode();
      this.#nodes = 0;
    }
    this.#nodes++;
    return node.add(name);
  }
}
