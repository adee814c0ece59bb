/** Looks at markup as a strict parser would: tags that match, quoted attributes, no stray `<` or `&`. */

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Of the element and of all within it, entities resolved. */
  text: string;
  readonly children: Element[];
}

const TAG = /<(\/?)([A-Za-z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;
const ENTITY = /&(?!#\d+;)/;

/** @throws Error that tells where the markup is not well formed */
export function parse(source: string): Element {
  const root: Element = { name: '', attributes: {}, text: '', children: [] };
  const open = [root];
  let at = source.startsWith('<!doctype html>') ? '<!doctype html>'.length : 0;
  const wrong = (why: string): never => {
    throw new Error(`${why} at ${at}: ${JSON.stringify(source.slice(at, at + 80))}`);
  };
  while (at < source.length) {
    const next = source.indexOf('<', at);
    const text = source.slice(at, next < 0 ? source.length : next);
    // What a style sheet holds is no markup.
    if (open.at(-1)!.name !== 'style' && ENTITY.test(text)) wrong('a bare &');
    for (const element of open) element.text += resolved(text);
    if (next < 0) break;
    at = next;
    TAG.lastIndex = at;
    const tag = TAG.exec(source) ?? wrong('no tag');
    at = TAG.lastIndex;
    const [, closing, name, attributes, empty] = tag;
    if (closing === '/') {
      if (open.pop()!.name !== name) wrong(`</${name}> closes another element`);
      continue;
    }
    const element = { name: name, attributes: attributesOf(attributes), text: '', children: [] };
    open.at(-1)!.children.push(element);
    if (empty !== '/') open.push(element);
  }
  if (open.length !== 1) wrong(`<${open.at(-1)!.name}> is not closed`);
  return root;
}

/** All elements below, in their order, for which `wanted` says so. */
export function elements(root: Element, wanted: (element: Element) => boolean): Element[] {
  return root.children.flatMap((child) => [...(wanted(child) ? [child] : []), ...elements(child, wanted)]);
}

export function hasClass(element: Element, name: string): boolean {
  return (element.attributes.class ?? '').split(' ').includes(name);
}

function attributesOf(source: string): Record<string, string> {
  return Object.fromEntries([...source.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, name, value]) => [name, resolved(value)]));
}

function resolved(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));
}
