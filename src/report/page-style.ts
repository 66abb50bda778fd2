const svgStyle = `svg .label,svg .value{fill:var(--ink)}
svg .value{font-size:11.5px;font-variant-numeric:tabular-nums}
svg .axis,svg .tick{fill:var(--soft)}
svg .tick{font-size:11.5px;font-variant-numeric:tabular-nums}
svg .middle{text-anchor:middle}svg .end{text-anchor:end}
svg .before{fill:var(--before)}svg .after{fill:var(--after)}
svg .wrong{fill:var(--none)}svg .frame{fill:none;stroke:var(--rule)}
svg .grid{stroke:var(--rule)}svg .mark{stroke:var(--soft)}
svg .line{fill:none;stroke:var(--after);stroke-width:2.2;stroke-linejoin:round}
svg .line.raw{stroke:var(--before);stroke-width:1;opacity:.75}
svg circle.main,svg circle.raw{fill:var(--after)}
svg .hit,svg .miss{stroke:#fff;stroke-width:.9}
svg .hit{fill:#000}svg .miss{fill:#e0241b}`;

/** For a chart that stands alone in a file: light, as for print. */
export const figureStyle = `svg{--none:#a3262a;--ink:#1c1f23;--soft:#565d66;--rule:#dcdad4;--before:#a3a8ae;--after:#0b6e75;background:#fff;font:12.5px system-ui,"Noto Sans",sans-serif}
${svgStyle}`;

/** Colours of pages, as custom properties. */
export const lightColours =
  '--paper:#fbfaf8;--card:#fff;--ink:#1c1f23;--soft:#565d66;--rule:#dcdad4;--before:#a3a8ae;--after:#0b6e75;--tint:11 110 117;--good:#1a6b3c;--some:#8a5300;--none:#a3262a;--unknown:#565d66;--mark:#fff3d6';
export const darkColours =
  '--paper:#14171a;--card:#1c2024;--ink:#e8e6e1;--soft:#a7adb5;--rule:#343a40;--before:#717982;--after:#4cc3c9;--tint:76 195 201;--good:#7bd6a0;--some:#f0b95c;--none:#ff9a94;--unknown:#a7adb5;--mark:#3a3118';
export const textFonts = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif';

/** The page's style sheet: system fonts only, light and dark, one column on a telephone, ink on white in print. */
export const pageStyle = `
:root{color-scheme:light dark;${lightColours}}
@media screen and (prefers-color-scheme:dark){:root{${darkColours}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ${textFonts}}
:lang(zh){font-family:system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;line-height:1.6}
main{max-width:1180px;margin:0 auto;padding:2.5rem clamp(1rem,3vw,2.5rem) 4rem}
h1{font-size:clamp(1.6rem,1.1rem + 2.2vw,2.5rem);line-height:1.15;letter-spacing:-.018em;margin:0 0 .75rem;max-width:24em;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.25;letter-spacing:-.01em;margin:3.25rem 0 .5rem;padding-top:1.25rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;line-height:1.35;margin:0 0 .4rem}
p{margin:.4rem 0 .9rem;max-width:46em}
.lead{font-size:1.1rem;max-width:44em}
.soft,figcaption,small{color:var(--soft);font-size:.875rem}
.chips{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;list-style:none;padding:0;margin:0 0 1.75rem;color:var(--soft);font-size:.9rem}
.chips b{color:var(--ink);font-weight:600}
.cards,.figures,.examples{display:grid;gap:1rem}
.cards{grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
.figures{grid-template-columns:repeat(auto-fill,minmax(min(100%,20.5rem),1fr));gap:1.5rem 2rem;margin-top:1rem}
.figures.two{grid-template-columns:repeat(auto-fill,minmax(min(100%,27rem),1fr))}.figures.two svg{max-width:500px}
.examples{grid-template-columns:repeat(auto-fill,minmax(min(100%,25rem),1fr))}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:1.1rem 1.2rem;min-width:0;break-inside:avoid}
.verdict{font-size:1.45rem;font-weight:700;line-height:1.2;margin:.1rem 0 .6rem}
.good{color:var(--good)}.some{color:var(--some)}.none{color:var(--none)}.unknown{color:var(--unknown)}
.evidence{list-style:none;margin:0;padding:0}
.evidence li{padding:.55rem 0;border-top:1px solid var(--rule);font-size:.92rem}
.evidence .who{display:block;font-weight:600}
.tag{display:inline-block;border:1px solid var(--rule);border-radius:99px;padding:0 .55em;font-size:.78rem;color:var(--soft);white-space:nowrap;vertical-align:.08em}
.arrow{color:var(--soft)}
.number,td.number,th.number{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.scroll{overflow-x:auto;margin:1rem 0;border:1px solid var(--rule);border-radius:10px;background:var(--card)}
.scroll:focus-visible,summary:focus-visible{outline:3px solid var(--after);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.45rem .8rem;text-align:left;vertical-align:top;border-top:1px solid var(--rule)}
thead th{font-weight:600;color:var(--soft);vertical-align:bottom}
tbody th{font-weight:600}
tbody th[scope=row]{position:sticky;left:0;background:var(--card)}
thead tr:first-child th,tbody:first-child tr:first-child>*{border-top:0}
tbody.group th.heading{background:rgb(var(--tint)/.09);color:var(--ink);font-weight:600}
.matrix td{text-align:center;min-width:6.5rem}
.matrix td b{display:block;font-size:1.2rem;font-variant-numeric:tabular-nums}
.matrix td small{display:block;line-height:1.35;white-space:nowrap}
.matrix small{color:inherit;opacity:.86}
${Array.from({ length: 11 }, (_, index) => `.tint-${index}{background:rgb(var(--tint)/${(index * 0.04).toFixed(2)})}`).join('')}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{margin-top:.5rem;max-width:46em}
svg{display:block;width:100%;max-width:440px;height:auto;font:12.5px ${textFonts}}
${svgStyle}
.key{display:inline-block;width:.85em;height:.85em;border-radius:2px;vertical-align:-.08em;margin-right:.3em}
.key.before{background:var(--before)}.key.after{background:var(--after)}
audio{display:block;width:100%;height:40px;margin:.6rem 0 .8rem}
dl{margin:0;display:grid;grid-template-columns:6.2rem minmax(0,1fr);gap:.35rem .8rem;font-size:.95rem}
dt{color:var(--soft);font-size:.85rem;padding-top:.1rem}
dd{margin:0;overflow-wrap:anywhere}
dd.new{background:var(--mark);border-radius:4px;padding:0 .35em;margin-left:-.35em}
.settings dl{grid-template-columns:7.5rem minmax(0,1fr)}.settings dl.long{grid-template-columns:minmax(0,1fr)}
ul.plain{padding-left:1.15rem;max-width:48em}ul.plain li{margin:.45rem 0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--soft);font-size:.92rem;padding:.3rem 0;width:max-content;max-width:100%}
@media(max-width:480px){th,td{padding:.4rem .55rem}main{padding-top:1.5rem}dl{grid-template-columns:minmax(0,1fr);gap:0}dd{margin-bottom:.55rem}.card{padding:1rem}h2{margin-top:2.5rem}.settings dl{grid-template-columns:7.5rem minmax(0,1fr);gap:.35rem .8rem}.settings dd{margin:0}}
@media print{body{background:#fff;font-size:10pt}main{max-width:none;padding:0}audio{display:none}.scroll{overflow:visible}details::details-content{content-visibility:visible}h2{break-after:avoid}tr{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
