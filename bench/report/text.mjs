/** How wide a text will be, without a font at hand: an upper estimate for the usual sans-serif fonts. */

/** Size in pixels of each class of text in a figure. */
export const TEXT_SIZE = { title: 15, finding: 13, note: 12, label: 12, tick: 11.5, foot: 10 };

const NARROW = /[ijl.,:;'|!()[\]\u{a0} ft]/u;
const WIDE = /[mwMW@%–—]/u;

/** @returns pixels */
export function textWidth(text, size, isBold = false) {
  let ems = 0;
  for (const character of text) {
    if (NARROW.test(character)) ems += 0.38;
    else if (WIDE.test(character)) ems += 0.92;
    else if (character.codePointAt(0) > 0x2fff) ems += 1.05;
    else ems += /[A-Z]/.test(character) ? 0.72 : 0.6;
  }
  return ems * size * (isBold ? 1.08 : 1);
}

/** Lines that are no wider than `width`, broken at spaces. A word that is wider than a line is cut, with an ellipsis. */
export function wrap(text, width, size, isBold = false) {
  const lines = [];
  let line = '';
  for (const word of text.split(/[ \n\t]+/).filter((part) => part !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && textWidth(longer, size, isBold) > width) {
      lines.push(line);
      line = fit(word, width, size, isBold);
    } else line = fit(longer, width, size, isBold);
  }
  return line === '' ? lines : [...lines, line];
}

/** The text, cut with an ellipsis where it would be wider. */
export function fit(text, width, size, isBold = false) {
  if (textWidth(text, size, isBold) <= width) return text;
  const characters = [...text];
  while (characters.length > 0 && textWidth(`${characters.join('')}…`, size, isBold) > width) characters.pop();
  return `${characters.join('')}…`;
}
