/** The page: speak or drop a recording, read it in two languages, save it. */
import { formatNumber, formatPercent, languageName } from '../../../report/format.ts';
import { Failure, type SpeechText, servedModels, setAskKey, speech } from './api.ts';
import { Choices } from './choices.ts';
import { decodedByBrowser } from './decoded-by-browser.ts';
import { byId, clock } from './dom.ts';
import { askForKey, clearNotice, say, setFigures, setState, setStatus, showFailure } from './messages.ts';
import { Player } from './player.ts';
import { Recording } from './recording.ts';
import { type Piece, SIDES, type Side } from './rows.ts';
import { formatted, type SavedText, type SaveFormat, save } from './saving.ts';
import { TextView } from './text-view.ts';

/** A recording that was given as a file, and what is known of it. */
interface ReadFile {
  /** What the server gets, perhaps decoded here. */
  recording: Blob;
  decoded?: Promise<Blob>;
  readonly name: string;
  /** The language of the translation. */
  readonly to: string;
  readonly results: Partial<Record<Side, SpeechText>>;
}

const speak = byId<HTMLButtonElement>('speak');
const choose = byId<HTMLButtonElement>('choose');
const refine = byId<HTMLButtonElement>('refine');
const cancel = byId<HTMLButtonElement>('cancel');
const fileInput = byId<HTMLInputElement>('file');

const view: TextView = new TextView((time) => player.playFrom(time));
const player = new Player((time) => view.light(time));
const choices = new Choices(() => void readMissing());
setAskKey(askForKey);

let recording: Recording | undefined;
let file: ReadFile | undefined;
let reading: AbortController | undefined;
/** Whether the browser asks the user for the microphone. */
let starting = false;
let savedName = 'recording';
/** Whether the page alone has what was spoken: a file can be read again. */
let unsaved = false;

async function begin(): Promise<void> {
  try {
    choices.set(await servedModels());
  } catch (error) {
    showFailure(error, () => void begin());
    return;
  }
  describe();
  for (const button of [speak, choose]) button.disabled = false;
}

/** What this page does, in one sentence, and where sound goes. */
function describe(): void {
  const { model, to } = choices;
  const target = languageName(to);
  byId('model-name').textContent = model.id;
  byId('title').textContent = `Speak. Read it in ${target}.`;
  const here = /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
  const where = here
    ? 'Nothing leaves this machine.'
    : `What you say goes to ${location.hostname}, and nowhere else.`;
  byId('promise').textContent =
    `Speech in any of ${formatNumber(model.languages.length)} languages, written and translated into ${target} while you speak. ${where}`;
  document.title = `${target} from speech · whisper-transfer`;
}

// Speaking.

/** Whether what was spoken may go. */
const mayReplace = (): boolean =>
  !unsaved || confirm('What you said is on this page only, and was not saved. Replace it?');

async function startRecording(): Promise<void> {
  if (starting || !mayReplace()) return;
  clearNotice();
  const { model, from, to, asked, englishFirst } = choices;
  const started = new Recording({ model: model.id, from, to, asked, englishFirst }, view, recorded);
  // Not disabled meanwhile: it would lose the focus.
  starting = true;
  try {
    await started.start();
  } catch (error) {
    showFailure(error);
    return;
  } finally {
    starting = false;
  }
  forget();
  unsaved = false;
  recording = started;
  setTitles();
  view.clear('Listening: speak, and the text appears here.', true);
  choices.lock(true);
  byId('speak-label').textContent = 'Stop';
  setState('recording', 'Listening');
}

async function stopRecording(): Promise<void> {
  if (document.body.dataset.state === 'finishing') {
    recording?.abandon();
    return;
  }
  setState('finishing', 'Writing the last words');
  await recording?.stop();
}

function recorded(done: Recording): void {
  choices.lock(false);
  byId('speak-label').textContent = 'Start speaking';
  const lag = done.lag;
  // Swedish writes a local time as 2026-01-31 14:05:00.
  savedName = `recording ${new Date().toLocaleString('sv').slice(0, 16).replace(':', '.')}`;
  setState('done', '');
  setFigures(
    [clock(done.seconds), 'recorded'],
    ...(lag === undefined ? [] : [[`${lag.toFixed(1)} s`, 'behind'] as const]),
  ); // few: one
  if (done.seconds > 0) player.load(done.sound);
  refine.hidden = done.seconds === 0;
  unsaved = view.livePieces('original').length + view.livePieces('translation').length > 0;
}

// Recordings from files.

async function read(recorded: Blob, name: string): Promise<void> {
  clearNotice();
  // The same sound, read once more: the page alone still has it.
  unsaved = recorded === recording?.sound;
  forget();
  file = { recording: recorded, name, to: choices.to, results: {} };
  savedName = name;
  setTitles();
  view.clear(`Reading ${name} …`, true);
  player.load(recorded);
  await readMissing();
}

/** Asks for the texts that are to be shown and are not there yet. */
async function readMissing(): Promise<void> {
  const of = file;
  if (!of || reading) return;
  const missing = choices.asked.filter((side) => !of.results[side]);
  if (missing.length === 0) return;
  const aborting = new AbortController();
  reading = aborting;
  setState('working', `Reading ${of.name}`);
  setBusy(true);
  refine.hidden = true;
  const before = performance.now();
  const elapsed = () => (performance.now() - before) / 1000;
  const ticking = setInterval(() => {
    const done = endOf(of) / (player.duration ?? Number.POSITIVE_INFINITY);
    setFigures(
      [clock(elapsed()), ''],
      ...(done > 0 ? [[formatPercent(Math.min(1, done)), 'read'] as const] : []),
    ); // few: one
  }, 500);
  const pending = new Set<Side>(missing);
  const show = (side: Side, text: SpeechText): void => {
    if (file !== of) return;
    of.results[side] = text;
    if (text.english.length > 0) of.results.original = { pieces: text.english, english: [], language: 'en' };
    showResults(of, pending);
  };
  try {
    await Promise.all(
      missing.map(async (side) => {
        const text = await readSide(of, side, aborting.signal, (part) => show(side, part));
        pending.delete(side);
        show(side, text);
      }),
    );
    setState('done', 'Done');
    const duration = player.duration ?? endOf(of);
    setFigures(
      [clock(duration), 'of sound'],
      [`${elapsed().toFixed(1)} s`, 'to read'],
      [`${formatNumber(duration / elapsed(), 1)}×`, 'real time'],
    );
  } catch (error) {
    aborting.abort();
    if (file === of) failed(of, error);
  } finally {
    clearInterval(ticking);
    reading = undefined;
    setBusy(false);
  }
}

/** What was read until then stays. */
function failed(of: ReadFile, error: unknown): void {
  const { kind } = error as Failure;
  const anything = endOf(of) > 0;
  if (anything) {
    setState('done', kind === 'cancelled' ? 'Cancelled: the text up to there stays' : '');
    showResults(of, new Set());
  } else {
    forget();
    view.hide();
    setState('idle');
  }
  setFigures();
  const again = kind === 'busy' || kind === 'unreachable';
  showFailure(error, again ? () => void read(of.recording, of.name) : undefined);
}

/** Seconds of the recording up to which there is text. */
const endOf = ({ results }: ReadFile): number =>
  Math.max(0, ...SIDES.map((side) => results[side]?.pieces.at(-1)?.end ?? 0)); // few: two

function setBusy(busy: boolean): void {
  choices.lock(busy);
  const [shown, hidden] = busy ? [cancel, choose] : [choose, cancel];
  const hasFocus = document.activeElement === hidden || document.activeElement === refine;
  shown.hidden = false;
  if (hasFocus) shown.focus();
  hidden.hidden = true;
  speak.disabled = busy;
}

async function readSide(
  of: ReadFile,
  side: Side,
  signal: AbortSignal,
  onText: (text: SpeechText) => void,
): Promise<SpeechText> {
  const { model, from, to } = choices;
  const task = side === 'original' ? 'transcribe' : 'translate';
  const ask = (recording: Blob, name: string) =>
    speech({ recording, name, model: model.id, task, from, to, signal }, onText);
  const tried = of.recording;
  try {
    return await ask(tried, of.name);
  } catch (error) {
    const { kind, message } = error as Failure;
    if (kind !== 'unreadable') throw error;
    // A format that the server does not read, or too many bytes of it: the browser may know better. Once for both texts.
    of.decoded ??= decodedByBrowser(tried);
    try {
      of.recording = await of.decoded;
    } catch {
      const why = message.startsWith(`${of.name}: `) ? message.slice(of.name.length + 2) : message;
      throw new Failure(`${of.name} cannot be read: ${why}`, 'refused');
    }
    return await ask(of.recording, `${of.name}.wav`);
  }
}

function showResults({ results }: ReadFile, pending: ReadonlySet<Side>): void {
  setTitles();
  view.showPieces(piecesOf(results), pending, player.isThere);
}

const piecesOf = (results: ReadFile['results']): Record<Side, readonly Piece[]> => ({
  original: results.original?.pieces ?? [],
  translation: results.translation?.pieces ?? [],
});

function setTitles(): void {
  const { from, to, englishFirst } = choices;
  const heard = file?.results.original?.language ?? (englishFirst ? 'en' : from);
  const note = englishFirst ? '' : heard !== undefined && from === undefined ? 'detected' : '';
  view.title('original', heard ? languageName(heard) : 'Original', note, heard);
  view.title('translation', languageName(to), '', to);
}

function forget(): void {
  reading?.abort();
  file = undefined;
  recording = undefined;
  refine.hidden = true;
  player.unload();
  setFigures();
}

// Saving.

function savedText(side: Side): SavedText {
  const spoken = file?.results.original?.language;
  const language = file ? (side === 'translation' ? file.to : spoken) : recording?.languages[side];
  const pieces = file ? piecesOf(file.results)[side] : view.livePieces(side);
  return { name: savedName, language, pieces };
}

async function saveAs(format: SaveFormat | 'copy', side: Side): Promise<void> {
  const text = savedText(side);
  if (text.pieces.length === 0) {
    say('There is no text to save yet.');
    return;
  }
  if (format !== 'copy') {
    save(text, format);
    unsaved = false;
    return;
  }
  try {
    await navigator.clipboard.writeText(formatted(text, 'txt'));
    setStatus('Copied');
    unsaved = false;
  } catch {
    say('The browser did not let this page copy. TXT saves the text as a file.');
  }
}

// Controls.

speak.addEventListener(
  'click',
  () => void (recording?.isOver === false ? stopRecording() : startRecording()),
);
choose.addEventListener('click', () => fileInput.click());
cancel.addEventListener('click', () => reading?.abort());
refine.addEventListener('click', () => {
  const sound = recording?.sound;
  if (sound) void read(sound, `${savedName}.wav`);
});
fileInput.addEventListener('change', () => {
  const [first] = fileInput.files ?? [];
  fileInput.value = '';
  if (first && mayReplace()) void read(first, first.name);
});
byId('choices').addEventListener('change', ({ target }) => {
  describe();
  // Another language or model: the recording is read anew.
  if (file && target !== byId('show')) void read(file.recording, file.name);
});
for (const button of document.querySelectorAll<HTMLButtonElement>('[data-save]')) {
  const { save: format, side } = button.dataset;
  button.addEventListener('click', () => void saveAs(format as SaveFormat | 'copy', side as Side));
}

document.addEventListener('dragover', (event) => {
  if (!event.dataTransfer?.types.includes('Files')) return;
  event.preventDefault();
  document.body.classList.add('dropping');
});
document.addEventListener('dragleave', ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove('dropping');
});
document.addEventListener('drop', (event) => {
  const files = event.dataTransfer?.files;
  if (!files?.length) return;
  event.preventDefault();
  document.body.classList.remove('dropping');
  if (speak.disabled || recording?.isOver === false) {
    say('Stop what is going on first, and drop the recording again.');
    return;
  }
  if (!mayReplace()) return;
  void read(files[0]!, files[0]!.name).then(() => {
    if (files.length > 1)
      say(`One recording at a time: ${files[0]!.name} was read, the other ${files.length - 1} were not.`);
  });
});
addEventListener('beforeunload', (event) => {
  if (recording?.isOver === false) event.preventDefault();
});

// Colours: as the system has them, or as the user wants them here.

const COLOURS = ['system', 'light', 'dark'] as const;
const colours = byId('colours');
let chosenColours: (typeof COLOURS)[number] = 'system';
function setColours(chosen: (typeof COLOURS)[number]): void {
  chosenColours = chosen;
  if (chosen === 'system') delete document.documentElement.dataset.colours;
  else document.documentElement.dataset.colours = chosen;
  const label = chosen === 'system' ? 'Colours: as the system' : `Colours: ${chosen}`;
  colours.setAttribute('aria-label', label);
  colours.title = label;
}
try {
  const kept = COLOURS.find((one) => one === localStorage.getItem('whisper-transfer-colours'));
  setColours(kept ?? 'system');
} catch {
  setColours('system');
}
colours.addEventListener('click', () => {
  setColours(COLOURS[(COLOURS.indexOf(chosenColours) + 1) % COLOURS.length]!);
  try {
    localStorage.setItem('whisper-transfer-colours', chosenColours);
  } catch {
    // A private window: chosen anew next time.
  }
});

void begin();
