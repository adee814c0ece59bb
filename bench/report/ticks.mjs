/** Labels of a horizontal axis. */
import { label, WIDTH } from './frame.mjs';
import { el } from './markup.mjs';
import { TEXT_SIZE, textWidth } from './text.mjs';

/** Of the picture's edge. */
const EDGE = 2;

/**
 * Each tick with its stroke, and its label where that does not touch the one before. The first and the last label stay within the picture.
 *
 * @param scale  of `scale.mjs`
 * @param base   y of the axis
 */
export function tickLabels(scale, base) {
  let free = -Infinity;
  return scale.ticks.map((tick) => {
    const at = scale.at(tick.value);
    const half = textWidth(tick.label, TEXT_SIZE.tick) / 2;
    const center = Math.max(EDGE + half, Math.min(at, WIDTH - EDGE - half));
    const stroke = el('path', { class: 'axis', d: `M${at.toFixed(1)} ${base}v4` });
    if (center - half < free) return stroke;
    free = center + half + 4;
    return [stroke, label('tick', center, base + 17, tick.label, 'middle')];
  });
}
