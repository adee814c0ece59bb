/** Shapes that mark a point: with the dashes of a line, what tells series apart where colours do not. */
import { el } from './markup.mjs';

const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (r) => `M0 ${-1.4 * r}L${1.4 * r} 0L0 ${1.4 * r}L${-1.4 * r} 0z`,
  (r) => `M0 ${-1.3 * r}L${1.25 * r} ${r}H${-1.25 * r}z`,
  (r) => `M0 ${1.3 * r}L${1.25 * r} ${-r}H${-1.25 * r}z`,
  (r) => `M${-r} ${-r / 2.5}h${2 * r}v${r / 1.25}h${-2 * r}z`,
];

/** @param hint  what a pointer that rests on it is told; null for none */
export function marker(shape, slot, x, y, hint = null) {
  const path = SHAPES[shape % SHAPES.length](4);
  const transform = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
  return el('path', { class: `mark f${slot}`, d: path, transform }, hint === null ? null : el('title', {}, hint));
}
