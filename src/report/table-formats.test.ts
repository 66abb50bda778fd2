import { expect, test } from 'vitest';
import { formatTable, TABLE_FORMATS } from './table-formats.ts';
import { table } from './terminal.ts';

const rows = [
  { name: '点击, "x"', bleu: 12.4, note: 'nrefs:1|case:mixed' },
  { name: 'a_b & c\n100 % ~{\\}', bleu: 3, note: '[0, 1] <b> #1 $2 ^' },
];
type Row = (typeof rows)[number];
const columns = [
  { heading: 'name', value: (row: Row) => row.name },
  { heading: 'BLEU %', value: (row: Row) => row.bleu },
  { heading: 'note', value: (row: Row) => row.note, align: 'right' as const },
];

test('terminal is the table of the terminal', () => {
  expect(formatTable(rows, columns, 'terminal')).toBe(table(rows, columns));
});

test('Markdown keeps its bars to itself and aligns numbers', () => {
  expect(formatTable(rows, columns, 'markdown')).toBe(
    [
      '| name | BLEU % | note |',
      '| :--- | ---: | ---: |',
      '| 点击, "x" | 12.4 | nrefs:1\\|case:mixed |',
      '| a\\_b & c 100 % \\~{\\\\} | 3 | \\[0, 1\\] \\<b\\> #1 $2 ^ |',
      '',
    ].join('\n'),
  );
});

test('CSV quotes what holds a comma or a quotation mark', () => {
  expect(formatTable(rows, columns, 'csv')).toBe(
    [
      'name,BLEU %,note',
      '"点击, ""x""",12.4,nrefs:1|case:mixed',
      'a_b & c 100 % ~{\\},3,"[0, 1] <b> #1 $2 ^"',
      '',
    ].join('\n'),
  );
});

test('LaTeX is a booktabs table in which nothing acts', () => {
  expect(formatTable(rows, columns, 'latex').split('\n')).toEqual([
    '% needs \\usepackage{booktabs}',
    '\\begin{tabular}{lrr}',
    '\\toprule',
    'name & BLEU \\% & note \\\\',
    '\\midrule',
    '点击, "x" & 12.4 & nrefs:1\\textbar{}case:mixed \\\\',
    'a\\_b \\& c 100 \\% \\textasciitilde{}\\{\\textbackslash{}\\} & 3 & [0, 1] \\textless{}b\\textgreater{} \\#1 \\$2 \\textasciicircum{} \\\\',
    '\\bottomrule',
    '\\end{tabular}',
    '',
  ]);
  const bracket = [{ name: '[1]', bleu: 1, note: '' }];
  expect(formatTable(bracket, columns, 'latex')).toContain('\n{[}1] & 1 &  \\\\\n');
});

test.each(
  TABLE_FORMATS,
)('%s: no rows leave the headings, and control characters are made harmless', (format) => {
  expect(formatTable([], columns, format)).toContain('name');
  expect(formatTable([{ name: 'a\u001b[2Jb', bleu: 1, note: '' }], columns, format)).not.toContain(
    '\u001b[2J',
  );
});
