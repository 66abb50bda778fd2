/** Okabe and Ito's colours, distinct for any colour vision, in the order in which they contrast most on white and on black. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f'];
const DASHES = ['', '7 3', '2 3', '9 3 2 3'];

export const seriesColour = (index: number): string => COLOURS[index % COLOURS.length]!;
/** Lines differ in their dashes, too: for print in grey. */
export const seriesDash = (index: number): string => DASHES[index % DASHES.length]!;
