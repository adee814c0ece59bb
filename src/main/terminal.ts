/**
 * The terminal that people look at: styles where they are wanted, and a few lines that are redrawn in place below what is
 * printed. Everything goes to standard error; standard output belongs to the job and to `--json`.
 */
import { stripVTControlCharacters } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (style: Style, text: string) => string;

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

type Environment = Readonly<Record<string, string | undefined>>;

/** NO_COLOR and FORCE_COLOR first, as https://no-color.org and Node have them, then whether it is a terminal. */
export function painter(isTerminal: boolean, env: Environment = process.env): Paint {
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0';
  const colored = env['NO_COLOR'] ? false : forced || (isTerminal && env['TERM'] !== 'dumb');
  if (!colored) return (_, text) => text;
  return (style, text) => `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m`;
}

/** May lines be redrawn in place? Not in a log of a build server, which may pretend to be a terminal. */
export function canRedraw(isTerminal: boolean, env: Environment = process.env): boolean {
  return isTerminal && env['TERM'] !== 'dumb' && !env['CI'];
}

/** Columns that a text takes. Our own texts hold no wide characters; names of users that do may be cut a little late. */
export function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/** A name from outside, without control characters: one that holds escape sequences must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** At most `width` columns of unstyled text, the cut marked. */
export function truncate(text: string, width: number): string {
  const letters = Array.from(text);
  if (letters.length <= width) return text;
  return width <= 1 ? letters.slice(0, width).join('') : `${letters.slice(0, width - 1).join('')}…`;
}

/** Columns to fill; no limit where the output is no terminal. A terminal that does not say how wide it is counts as 80. */
export function widthOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number {
  return stream.isTTY ? stream.columns || 80 : Infinity;
}

export interface OutputStream {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_TO_END_OF_LINE = '\u001b[K';
const CLEAR_TO_END_OF_SCREEN = '\u001b[J';

/**
 * A frame of lines at the bottom of the terminal. Each change is one write, and lines are overwritten rather than cleared
 * first, so nothing flickers. `close()` gives the cursor back; call it on every way out.
 */
export class LiveFrame {
  readonly #out: OutputStream;
  #lines: readonly string[] = [];
  #drawn = 0;

  constructor(out: OutputStream) {
    this.#out = out;
  }

  /** @param allLines  each at most as wide as the terminal: a line that wraps would be counted as one */
  draw(allLines: readonly string[]): void {
    // What has scrolled out at the top cannot be reached again to overwrite it.
    const lines = allLines.slice(0, Math.max(1, (this.#out.rows || 24) - 1));
    const hide = this.#drawn === 0 ? HIDE_CURSOR : '';
    this.#out.write(hide + this.#toTop() + this.#body(lines) + CLEAR_TO_END_OF_SCREEN);
    this.#lines = lines;
    this.#drawn = lines.length;
  }

  /** Prints above the frame. */
  print(text: string): void {
    const whole = text.endsWith('\n') ? text : `${text}\n`;
    const cleared = whole.replaceAll('\n', `${CLEAR_TO_END_OF_LINE}\n`);
    this.#out.write(this.#toTop() + cleared + this.#body(this.#lines) + CLEAR_TO_END_OF_SCREEN);
  }

  /** Takes the frame away and gives the cursor back. */
  close(): void {
    if (this.#drawn === 0) return;
    this.#out.write(this.#toTop() + CLEAR_TO_END_OF_SCREEN + SHOW_CURSOR);
    this.#lines = [];
    this.#drawn = 0;
  }

  #toTop(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r`;
  }

  #body(lines: readonly string[]): string {
    return lines.map((line) => `${line}${CLEAR_TO_END_OF_LINE}\n`).join('');
  }
}
