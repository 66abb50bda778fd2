/** The page's markup; texts that depend on the model are written by its script. */

const icon = (path: string): string =>
  `<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">${path}</svg>`;

const MICROPHONE = icon(
  '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3M8.5 21h7"/>',
);
const STOP = icon('<rect class="filled" x="6.5" y="6.5" width="11" height="11" rx="2"/>');
const PLAY = icon('<path class="filled" d="M8 5.5v13l10.5-6.5z"/>');
const PAUSE = icon('<path class="filled" d="M7.5 6h3v12h-3zM13.5 6h3v12h-3z"/>');
const FILE = icon(
  '<path d="M12 15V4M7.5 8.5 12 4l4.5 4.5M4.5 15v3.5A1.5 1.5 0 0 0 6 20h12a1.5 1.5 0 0 0 1.5-1.5V15"/>',
);
const CLOSE = icon('<path d="m6.5 6.5 11 11m0-11-11 11"/>');
const COLOURS = icon('<circle cx="12" cy="12" r="8"/><path class="filled" d="M12 4a8 8 0 0 1 0 16z"/>');
/** Speech that becomes a line of text. */
const MARK_PATH = '<path d="M3 10v4M7 6.5v11M11 9v6M15 12h6M15 8h6M15 16h3.5"/>';
const MARK = icon(MARK_PATH);

/** The arrow of a field with choices, in a grey for light and dark. */
export const chevronIcon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#858c94" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"><path d="m4 6.2 4 4 4-4"/></svg>
`;

/** The mark on a tile of the accent colour. */
export const pageIcon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 32 32" fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round"><rect x="-4" y="-4" width="32" height="32" rx="7" fill="#0b6e75" stroke="none"/>${MARK_PATH}</svg>
`;

const save = (side: string, of: string): string =>
  `<div class="save" role="group" aria-label="Save the ${of}">${['txt', 'srt', 'vtt', 'json']
    .map(
      (format) =>
        `<button type="button" data-save="${format}" data-side="${side}">${format.toUpperCase()}</button>`,
    )
    .join('')}<button type="button" data-save="copy" data-side="${side}">Copy</button></div>`;

export const pageHtml = (script: string, style: string): string => `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="Speech to text and translation by the models of this server">
<title>whisper-transfer</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body data-state="idle">
<a class="skip" href="#text">Skip to the text</a>
<header class="bar">
<p class="mark">${MARK}<span>whisper-transfer</span> <span id="model-name"></span></p>
<button type="button" id="colours" class="plain" aria-label="Colours: as the system">${COLOURS}</button>
</header>
<main>
<div class="intro">
<h1 id="title">Speak, and read it as you speak</h1>
<p id="promise" class="lead">Loading the models …</p>
</div>
<form id="choices" class="choices" aria-label="Languages and model">
<label class="field"><span>Spoken</span><select id="from"></select></label>
<label class="field"><span>Translated into</span><select id="to"></select></label>
<label class="field" id="show-field"><span>Show</span><select id="show"><option value="both">Both</option><option value="original">Original</option><option value="translation">Translation</option></select></label>
<label class="field" id="model-field"><span>Model</span><select id="model"></select></label>
</form>
<noscript><p class="notice bad">This page needs JavaScript; it loads it from this server only.</p></noscript>
<section id="text" class="text" aria-label="Text" tabindex="-1" hidden>
<div class="heads">
<div class="head" data-side="original"><h2>Original</h2>${save('original', 'original')}</div>
<div class="head" data-side="translation"><h2>Translation</h2>${save('translation', 'translation')}</div>
</div>
<div id="rows" class="rows"></div>
</section>
<section class="stage" aria-label="Recording">
<div id="notice" class="notice" role="alert" hidden><p></p><button type="button" id="retry" hidden>Try again</button><button type="button" id="dismiss" class="plain" aria-label="Close the message">${CLOSE}</button></div>
<div class="controls">
<div id="player" class="player" role="group" aria-label="The recording" hidden>
<button type="button" id="play" class="plain" aria-label="Play">${PLAY}${PAUSE}</button>
<input type="range" id="seek" min="0" max="1" step="any" value="0" aria-label="Place in the recording">
<span id="place">0:00</span>
</div>
<button type="button" id="speak" class="speak" disabled><span class="ring">${MICROPHONE}${STOP}</span><span id="speak-label">Start speaking</span></button>
<p class="or">or drop a recording anywhere here</p>
<button type="button" id="choose" class="choose" disabled>${FILE}<span class="label">Choose a recording</span></button>
<input type="file" id="file" accept="audio/*,video/*,.opus,.flac,.mka,.mkv,.amr,.caf,.aiff,.au" tabindex="-1" aria-label="Recording" hidden>
<button type="button" id="refine" class="choose" hidden title="The whole recording at once, with the time of each word"><span>Refine</span></button>
<button type="button" id="cancel" class="choose" hidden>${CLOSE}<span>Cancel</span></button>
<p id="state" class="state" role="status"></p>
<p id="figures" class="figures"></p>
</div>
<audio id="sound" hidden></audio>
</section>
<div id="announcer" class="unseen" role="log" aria-label="Finished text"></div>
</main>
<dialog id="key" aria-labelledby="key-title"><form method="dialog">
<h2 id="key-title">This server wants a key</h2>
<p id="key-text">Whoever started it with <code>--api-key</code> knows it. It is kept until this tab is closed.</p>
<label class="field"><span>API key</span><input id="key-value" type="password" autocomplete="off" spellcheck="false" required></label>
<p class="buttons"><button type="button" id="key-cancel">Cancel</button><button type="submit" class="main">Continue</button></p>
</form></dialog>
</body>
</html>
`;
