/**
 * Elements of SVG and HTML as strings. Text and attribute values come from documents that anybody may have written, so that
 * escaping is not left to the caller: a plain string is always text, and only `el` and `raw` make markup.
 */

/** Markup that needs no escaping any more; `source` is its text. */
class Markup {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

/** Elements of HTML that have no end tag. Written `<meta />`, which XML takes too. */
const VOID = new Set(['meta', 'br']);

/**
 * @param name        of the element
 * @param attributes  name to value; `null`, `undefined` and `false` leave the attribute out, `true` is written as `name=""`
 * @param children    text, numbers, other elements, lists of them; `null`, `undefined` and `false` are left out
 */
export function el(name, attributes = {}, ...children) {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== null && value !== undefined && value !== false)
    .map(([key, value]) => ` ${key}="${value === true ? '' : escapeText(typeof value === 'number' ? short(value) : value)}"`);
  const head = `<${name}${list.join('')}`;
  return new Markup(VOID.has(name) ? `${head} />` : `${head}>${inner(children)}</${name}>`);
}

/** Source that this program wrote itself, such as a style sheet. */
export function raw(source) {
  return new Markup(source);
}

/** The text so that it stands for itself in an element and in a quoted attribute; characters that XML forbids become U+FFFD. */
export function escapeText(text) {
  return String(text)
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\u{fffd}')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function inner(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Markup ? child.source : escapeText(child)))
    .join('');
}

/** Coordinates need no more than a hundredth of a pixel. */
function short(value) {
  return String(Math.round(value * 100) / 100);
}
