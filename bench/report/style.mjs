/**
 * Colours of figures, for light and dark. They follow the palette of Okabe and Ito, which people with any common kind of colour
 * blindness can tell apart; where one of its colours would be too pale for a thin line on the background it is darkened. Shape of
 * the marker and dashes of the line say the same again, for print and for those who see no colours.
 *
 * Explicit colours rather than custom properties: a figure for the README is drawn by whatever shows images.
 */

/** Of each slot: light colour, dark colour, dashes of a line. */
const SLOTS = [
  ['#0072b2', '#56b4e9', ''],
  ['#c44e00', '#f28e4b', '7 3'],
  ['#00795a', '#2fc79a', '2 3'],
  ['#a8477f', '#e39ac4', '9 3 2 3'],
  ['#8a6a00', '#f0e442', '4 4'],
  ['#4a4a4a', '#c9ced6', '1 3'],
];

export const SLOT_COUNT = SLOTS.length;

const light = { ground: '#ffffff', ink: '#1b1f24', quiet: '#57606a', grid: '#dfe3e8', axis: '#8c959f' };
const dark = { ground: '#14181d', ink: '#e6e9ed', quiet: '#a3acb8', grid: '#2d343c', axis: '#6e7781' };

/** Rules for what a figure draws. @param size  pixels of each class of text */
export function figureStyle(size) {
  const text = Object.entries(size).map(([name, pixels]) => `.fig .${name}{font-size:${pixels}px}`);
  return [
    '.fig{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}',
    ...text,
    '.fig .title{font-weight:650}',
    '.fig .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:butt}',
    '.fig .spread{fill:none;stroke-width:1.25;opacity:.75}',
    '.fig .grid,.fig .axis,.fig .guide,.fig .whisker,.fig .rim{fill:none;stroke-width:1}',
    '.fig .guide{stroke-width:1.5;stroke-dasharray:5 4}',
    '.fig .whisker{stroke-width:1.25}',
    '.fig .rim{stroke-width:3.5}',
    '.fig .moment{fill:none;stroke-width:1;opacity:.35}',
    ...SLOTS.map(([, , dashes], slot) => (dashes === '' ? '' : `.fig .d${slot}{stroke-dasharray:${dashes}}`)),
    colours(light, 0),
    `@media screen and (prefers-color-scheme: dark){${colours(dark, 1)}}`,
  ].join('');
}

function colours({ ground, ink, quiet, grid, axis }, column) {
  return [
    `.fig .ground{fill:${ground}}`,
    `.fig text{fill:${ink}}`,
    `.fig .note,.fig .tick,.fig .foot{fill:${quiet}}`,
    `.fig .grid{stroke:${grid}}`,
    `.fig .axis{stroke:${axis}}`,
    `.fig .guide{stroke:${quiet}}`,
    `.fig .whisker{stroke:${ink}}.fig .rim{stroke:${ground}}`,
    `.fig .other{fill:${axis}}`,
    ...SLOTS.map((colour, slot) => `.fig .s${slot}{stroke:${colour[column]}}.fig .f${slot}{fill:${colour[column]}}`),
    `.fig .halo{paint-order:stroke;stroke:${ground};stroke-width:3;stroke-linejoin:round}`,
    // The rim keeps markers apart that lie on one another.
    `.fig .mark{stroke:${ground};stroke-width:1.25}`,
  ].join('');
}
