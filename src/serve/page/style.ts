/** The page's style sheet: the colours and fonts of the reports. */
import { darkColours, lightColours, textFonts } from '../../report/page-style.ts';

/** White on the accent colour is too faint in the dark. */
const LIGHT = `color-scheme:light;${lightColours};--on-accent:#fff;--raised:0 1px 2px rgb(0 0 0/.05),0 10px 30px -12px rgb(0 0 0/.14)`;
const DARK = `color-scheme:dark;${darkColours};--on-accent:#08262a;--raised:0 1px 2px rgb(0 0 0/.4),0 10px 30px -12px rgb(0 0 0/.7)`;

/** Fonts of scripts that system-ui may show in another language's shapes. */
const CJK = `:lang(zh){font-family:system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif}
:lang(yue){font-family:system-ui,"PingFang HK","Microsoft JhengHei","Noto Sans CJK HK","Noto Sans HK",sans-serif}
:lang(ja){font-family:system-ui,"Hiragino Sans","Yu Gothic UI","Noto Sans CJK JP","Noto Sans JP",sans-serif}
:lang(ko){font-family:system-ui,"Apple SD Gothic Neo","Malgun Gothic","Noto Sans CJK KR","Noto Sans KR",sans-serif}`;

export const pageCss = `:root{${LIGHT}}
@media(prefers-color-scheme:dark){:root:not([data-colours=light]){${DARK}}}
:root[data-colours=dark]{${DARK}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding:5rem 0 13rem}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;background:var(--paper);color:var(--ink);font:16px/1.55 ${textFonts}}
${CJK}
h1,h2,p{margin:0}
button,select,input{font:inherit;color:inherit}
button{cursor:pointer;background:none;border:1px solid var(--rule);border-radius:99px;padding:.4rem .9rem}
button:hover:not(:disabled){border-color:var(--after)}
button:disabled{cursor:default;opacity:.5}
:focus-visible{outline:3px solid var(--after);outline-offset:2px}
svg{display:block;fill:none;stroke:currentColor;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}
svg .filled{fill:currentColor;stroke:none}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.unseen{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:1rem;top:-4rem;background:var(--card);color:var(--ink);padding:.5rem 1rem;border-radius:0 0 8px 8px;z-index:3}
.skip:focus{top:0}
[data-state=idle] .skip{display:none}
.bar{display:flex;justify-content:space-between;align-items:center;padding:.9rem clamp(1rem,3vw,2.25rem)}
.mark{display:flex;min-width:0;align-items:center;gap:.55rem;font-weight:600;letter-spacing:-.01em}
.mark svg{color:var(--after)}
button.plain{border-color:transparent;padding:.5rem;color:var(--soft)}
main{flex:1;width:100%;max-width:1120px;margin:0 auto;padding:0 clamp(1rem,3vw,2.25rem);display:flex;flex-direction:column}
.intro{text-align:center;margin:clamp(1rem,6vh,5rem) auto clamp(1.5rem,3.5vh,2.5rem)}
h1{font-size:clamp(1.9rem,1.2rem + 3.2vw,3.1rem);line-height:1.12;letter-spacing:-.024em;font-weight:650;text-wrap:balance}
.lead{margin:.9rem auto 0;max-width:40em;font-size:1.075rem;color:var(--soft);text-wrap:balance}
.choices{display:flex;flex-wrap:wrap;justify-content:center;gap:.75rem;margin:0 0 1rem}
.field{display:grid;gap:.2rem;min-width:0}
.field>span{font-size:.8125rem;color:var(--soft);padding-left:.15rem}
select,.field input{appearance:none;width:100%;min-width:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:.55rem .85rem;min-height:2.75rem;text-overflow:ellipsis}
select{padding-right:2.2rem;cursor:pointer;background-image:url(chevron.svg);background-size:16px;background-position:right .75rem center;background-repeat:no-repeat}
select:hover:not(:disabled){border-color:var(--after)}
select:disabled{cursor:default;opacity:.6}
.choices .field{flex:0 1 12.5rem}
.stage{width:100%}
.controls{display:flex;flex-direction:column;align-items:center;gap:.8rem;padding:1.25rem 0 3rem}
.speak{display:flex;flex-direction:column;align-items:center;gap:.9rem;border:0;border-radius:24px;padding:.75rem 1.25rem;font-weight:600;font-size:1.075rem}
.ring{--level:0;position:relative;display:grid;place-items:center;width:96px;height:96px;border-radius:50%;background:var(--after);color:var(--on-accent);box-shadow:0 0 0 calc(6px + var(--level)*26px) rgb(var(--tint)/.14),var(--raised);transition:box-shadow .12s linear,background .15s}
[data-state=idle] .speak:hover:not(:disabled) .ring{box-shadow:0 0 0 10px rgb(var(--tint)/.18),var(--raised)}
.ring svg{grid-area:1/1;width:40px;height:40px}
.ring svg:last-child{display:none}
.or{color:var(--soft);font-size:.9375rem}
.choose{display:flex;align-items:center;gap:.5rem;background:var(--card);padding:.5rem 1.15rem .5rem .9rem;min-height:2.75rem}
.choose svg{width:20px;height:20px;color:var(--after)}
.state{min-height:1.5em;color:var(--soft)}
.figures{display:flex;flex-wrap:wrap;gap:.15rem 1.25rem;color:var(--soft);font-size:.9375rem;font-variant-numeric:tabular-nums}
.figures:empty,.state:empty{display:none}
.figures b{color:var(--ink);font-weight:600}
.notice{display:flex;align-items:center;gap:.75rem;margin:0 auto 1rem;max-width:46rem;padding:.7rem .7rem .7rem 1.1rem;background:var(--card);border:1px solid var(--rule);border-left:4px solid var(--some);border-radius:10px;overflow-wrap:anywhere}
.notice p{flex:1}
.notice.bad{border-left-color:var(--none)}
.notice button{flex:none}
body.dropping::after{content:"Drop the recording here";position:fixed;inset:.75rem;z-index:2;display:grid;place-items:center;font-size:1.5rem;font-weight:600;border:3px dashed var(--after);border-radius:18px;background:color-mix(in srgb,var(--paper) 88%,transparent);pointer-events:none}

/* With text: the heading is gone, the controls are a bar at the foot. */
body:not([data-state=idle]) .intro{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%)}
body:not([data-state=idle]) .choices{justify-content:flex-start;margin:.25rem 0 1.5rem}
body:not([data-state=idle]) .stage{position:sticky;bottom:0;margin-top:auto;padding:.75rem 0 max(.75rem,env(safe-area-inset-bottom));background:linear-gradient(transparent,var(--paper) 1rem)}
body:not([data-state=idle]) .controls{flex-flow:row wrap;gap:.5rem 1rem;padding:.6rem .75rem;background:var(--card);border:1px solid var(--rule);border-radius:18px;box-shadow:var(--raised)}
body:not([data-state=idle]) .speak{flex-direction:row;padding:.15rem .9rem .15rem .3rem;gap:.9rem;font-size:1rem}
body:not([data-state=idle]) .ring{width:48px;height:48px;box-shadow:0 0 0 calc(2px + var(--level)*9px) rgb(var(--tint)/.2)}
body:not([data-state=idle]) .ring svg{width:24px;height:24px}
body:not([data-state=idle]) .or{display:none}
body:not([data-state=idle]) .state{min-height:0}
body:not([data-state=idle]) .figures{margin-left:auto;padding-right:.5rem}
body[data-state=recording] .ring svg:first-child,body[data-state=finishing] .ring svg:first-child{display:none}
body[data-state=recording] .ring svg:last-child,body[data-state=finishing] .ring svg:last-child{display:block}
body[data-state=recording] .choose{display:none}
.player{display:flex;align-items:center;gap:.6rem;width:100%;padding:0 .5rem .1rem .2rem}
.player #play{color:var(--ink);padding:.4rem}
.player #play svg:last-child,.player.playing #play svg:first-child{display:none}
.player.playing #play svg:last-child{display:block}
#seek{flex:1;min-width:0;height:1.5rem;margin:0;accent-color:var(--after);cursor:pointer}
#place{font-size:.875rem;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
#model-name{font-weight:400;color:var(--soft);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}

.text{flex:1;outline-offset:8px}
.heads,.row{display:grid;grid-template-columns:3.75rem minmax(0,1fr) minmax(0,1fr);column-gap:clamp(1rem,3vw,2.5rem)}
.heads{border-bottom:1px solid var(--rule);padding-bottom:.6rem;align-items:end}
.head{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:.4rem 1rem}
.head[data-side=original]{grid-column:2}
.head h2{font-size:1rem;font-weight:600;line-height:1.3}
.head h2 small{font-size:.875rem;font-weight:400;color:var(--soft);margin-left:.4em}
.save{display:flex;flex-wrap:wrap;gap:.1rem;margin-right:-.55rem}
.save button{border-color:transparent;font-size:.8125rem;padding:.3rem .55rem;color:var(--soft);min-height:2rem}
.save button:hover:not(:disabled){color:var(--ink)}
.text.empty .save{visibility:hidden}
.rows{padding:.4rem 0 2rem}
.row{padding:.7rem 0;line-height:1.6}
.row+.row{border-top:1px solid color-mix(in srgb,var(--rule) 55%,transparent)}
.row .at{align-self:start;justify-self:start;border:0;border-radius:6px;padding:.15rem .35rem;margin:.1rem 0 0 -.35rem;font-size:.8125rem;color:var(--soft);font-variant-numeric:tabular-nums}
button.at:hover{color:var(--after);text-decoration:underline}
.cell{overflow-wrap:anywhere;min-width:0}
.cell[data-side=original]{font-size:1.0625rem}
.cell[data-side=translation]{font-size:1.1875rem}
.cell:lang(zh),.cell:lang(yue),.cell:lang(ja),.cell:lang(ko){line-height:1.75}
.tentative{color:var(--soft);text-decoration:underline dotted .08em;text-underline-offset:.28em}
.words span{border-radius:4px;cursor:pointer}
.words span:hover{background:rgb(var(--tint)/.12)}
.now,.words span.now{background:rgb(var(--tint)/.2);box-shadow:0 .14em 0 var(--after)}
.row.playing .at{color:var(--after);font-weight:600}
.cell.now{box-shadow:none;background:none}
.row.note{display:block;color:var(--some);font-size:.9375rem}
.waiting{color:var(--soft)}
p.waiting{padding:1.5rem 0}
p.waiting.now::before{content:"";display:inline-block;width:.6em;height:.6em;margin-right:.6em;border-radius:50%;background:var(--after);animation:breathe 1.6s ease-in-out infinite}
p.waiting.now{box-shadow:none;background:none}
@keyframes breathe{50%{opacity:.25}}
[data-show=original] [data-side=translation],[data-show=translation] [data-side=original]{display:none}
[data-show=original] :is(.heads,.row),[data-show=translation] :is(.heads,.row){grid-template-columns:3.75rem minmax(0,46rem)}
[data-show=translation] .head{grid-column:2}

dialog{width:min(26rem,calc(100vw - 2rem));border:1px solid var(--rule);border-radius:18px;background:var(--card);color:var(--ink);padding:1.5rem;box-shadow:var(--raised)}
dialog::backdrop{background:rgb(0 0 0/.45)}
dialog form{display:grid;gap:1rem}
dialog h2{font-size:1.2rem;line-height:1.3}
#key-text{color:var(--soft)}
#key-text.bad{color:var(--none)}
.buttons{display:flex;justify-content:flex-end;gap:.6rem}
button.main{background:var(--after);border-color:var(--after);color:var(--on-accent);font-weight:600}

@media(max-width:700px){
.choices{display:grid;grid-template-columns:1fr 1fr;gap:.6rem .75rem}
.choices:has(#model-field[hidden]) #show-field{grid-column:1/-1}
.intro{margin:clamp(.5rem,2.5vh,2.5rem) auto 1.25rem}
.lead{margin-top:.6rem;font-size:1rem}
.controls{padding:1rem 0 2rem;gap:.6rem}
.ring{width:84px;height:84px}
body:not([data-state=idle]) .choices{margin-bottom:1rem}
body:is([data-state=recording],[data-state=finishing],[data-state=working]) .choices .field:has(select:disabled){display:none}
.heads{grid-template-columns:minmax(0,1fr);row-gap:.1rem}
.row,[data-show=original] .row,[data-show=translation] .row{grid-template-columns:2.75rem minmax(0,1fr);column-gap:.6rem;row-gap:.3rem}
[data-show=original] .heads,[data-show=translation] .heads{grid-template-columns:minmax(0,1fr)}
.head,.head[data-side=original],[data-show=translation] .head{grid-column:1}
.head{flex-wrap:nowrap}
.head h2 small{display:none}
.save{flex-wrap:nowrap;margin-right:-.3rem}
.save button{padding:.3rem .38rem}
.cell{grid-column:2}
.cell[data-side=original]{font-size:1rem;color:var(--soft)}
[data-show=original] .cell[data-side=original]{color:inherit}
body:not([data-state=idle]) .controls{gap:.35rem .75rem;padding:.5rem .6rem}
body:not([data-state=idle]) .choose{padding:.5rem;border-color:transparent;margin-left:auto}
body:not([data-state=idle]) .choose .label{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
body:not([data-state=idle]) .speak{padding-right:.25rem;gap:.7rem}
body[data-state=done] .state{display:none}
body:not([data-state=idle]) .figures{margin-left:0;padding-left:.35rem;font-size:.875rem}
body:not([data-state=recording]) .figures{width:100%;order:2}
body[data-state=recording] .figures{margin-left:auto}
.notice{flex-wrap:wrap}
.notice p{flex-basis:70%}
}
@media(prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}}
@media(forced-colors:active){.ring{border:2px solid}.now{outline:2px solid}}
@media print{.stage,.choices,.save,.bar button{display:none!important}body{background:#fff}}
`;
