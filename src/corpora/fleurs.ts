/** FLEURS (Conneau et al. 2022): the same sentences read in 102 languages, as on the hub or unpacked. */
import { basename, join } from 'node:path';
import { cellReference, memberReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { textLines } from '../files/lines.ts';
import { parquetTable } from '../files/parquet-table.ts';
import { languageProfile } from '../language/profile.ts';
import { archiveMembers } from './archive-members.ts';
import { type Corpus, folderIn, lookAt, type Reading, SETS, type Source, setOf, spokenOf } from './corpus.ts';
import { checkColumns, textOf } from './text.ts';

/** Recordings of FLEURS have 16,000 samples a second. */
const RATE = 16_000;

/** The folders of its languages (the data set's card). */
const FLEURS_LANGUAGES: readonly string[] = (
  'af_za am_et ar_eg as_in ast_es az_az be_by bg_bg bn_in bs_ba ca_es ceb_ph ckb_iq cmn_hans_cn cs_cz cy_gb da_dk de_de ' +
  'el_gr en_us es_419 et_ee fa_ir ff_sn fi_fi fil_ph fr_fr ga_ie gl_es gu_in ha_ng he_il hi_in hr_hr hu_hu hy_am id_id ' +
  'ig_ng is_is it_it ja_jp jv_id ka_ge kam_ke kea_cv kk_kz km_kh kn_in ko_kr ky_kg lb_lu lg_ug ln_cd lo_la lt_lt luo_ke ' +
  'lv_lv mi_nz mk_mk ml_in mn_mn mr_in ms_my mt_mt my_mm nb_no ne_np nl_nl nso_za ny_mw oc_fr om_et or_in pa_in pl_pl ' +
  'ps_af pt_br ro_ro ru_ru sd_in sk_sk sl_si sn_zw so_so sr_rs sv_se sw_ke ta_in te_in tg_tj th_th tr_tr uk_ua umb_ao ' +
  'ur_pk uz_uz vi_vn wo_sn xh_za yo_ng yue_hant_hk zu_za'
).split(' ');
const FOLDER = /^[a-z]{2,3}(?:_[a-z]{4})?_(?:[a-z]{2}|\d{3})$/;

/**
 * A folder a language, with `SET.tsv` (id, file name, raw transcription, transcription, characters, samples, gender; no
 * header) and recordings in `audio/SET/` or `audio/SET.tar.gz`; or the Parquet tables of the hub's `parquet-data`. Sentences
 * are joined by their id. A folder's name begins with the language's code, which becomes Whisper's: cmn_hans_cn is zh.
 */
export const fleurs: Corpus = {
  name: 'fleurs',
  about: 'FLEURS: the same sentences in a hundred languages',
  source: 'the folder of its languages (as on the hub, or with the archives unpacked)',
  options: ['onePerSentence'],
  example: 'prepare fleurs fleurs --from en,fr --to de,zh --output fleurs.tsv',
  recognises: async (source) => (await languagesIn(source)).size > 0,
  async *read(sources, reading) {
    for (const source of sources) yield* readFolder(await lookAt(source), reading);
  },
  hub: {
    repository: /^google\/fleurs$/i,
    sets: SETS,
    files({ from, to, sets = SETS }) {
      const names = `{${sets.join(',')}}`;
      const spoken = foldersOf(FLEURS_LANGUAGES, from);
      const written = foldersOf(FLEURS_LANGUAGES, to ?? []);
      return [
        ...spoken.flatMap((name) => [`data/${name}/${names}.tsv`, `data/${name}/audio/${names}.tar.gz`]),
        // A sentence may be in another set in another language.
        ...written.map((name) => `data/${name}/*.tsv`),
      ];
    },
  },
};

/** Names of folders that languages have; all where none is named. @throws UserError for a language that there is not */
function foldersOf(
  names: readonly string[],
  wanted: readonly string[] | undefined,
  where = 'FLEURS',
): string[] {
  if (wanted === undefined) return [...names];
  return wanted.map((name) => {
    const found = names.includes(name)
      ? name
      : names.find((other) => spokenOf(other) === languageProfile(name).code);
    if (found === undefined) {
      throw new UserError(
        `${where}: found no folder of "${name}"; expected a code such as fr, or one of ${names.join(', ')}`,
      );
    }
    return found;
  });
}

/** Folders of languages in a source, by their names: those with tables, and those of Parquet tables. */
async function languagesIn({
  path,
  names,
}: Source): Promise<Map<string, { tables?: Source; parquet?: Source }>> {
  const found = new Map<string, { tables?: Source; parquet?: Source }>();
  const [data, parquet] = await Promise.all([folderIn(path, 'data'), folderIn(path, 'parquet-data')]);
  const places = [
    { folder: path, names },
    { folder: join(path, 'data'), names: data?.names ?? [] },
    { folder: join(path, 'parquet-data'), names: parquet?.names ?? [] },
  ];
  for (const { folder, names: inside } of places) {
    for (const name of inside.filter((one) => FOLDER.test(one))) {
      const source = await folderIn(folder, name);
      if (!source) continue;
      const has = (ending: RegExp) => source.names.some((file) => ending.test(file));
      if (has(/^(train|dev|test)\.tsv$/)) found.set(name, { ...found.get(name), tables: source });
      else if (folder.endsWith('parquet-data') && has(/^(train|validation|test)-.*\.parquet$/))
        found.set(name, { ...found.get(name), parquet: source });
    }
  }
  return found;
}

async function* readFolder(source: Source, reading: Reading): AsyncGenerator<CorpusClip> {
  const languages = await languagesIn(source);
  const names = [...languages.keys()];
  if (names.length === 0) {
    const has = source.names.slice(0, 8).join(', ') || 'nothing';
    throw new UserError(
      `${source.path}: found ${has}; expected folders such as en_us with train.tsv, dev.tsv or test.tsv`,
    );
  }
  const { from, to = [], sets, onePerSentence = false, skip, isFull } = reading;
  const translations: { code: string; texts: Map<string, string> }[] = [];
  for (const name of foldersOf(names, to, source.path)) {
    translations.push({ code: spokenOf(name), texts: await textsOf(languages.get(name)!, reading) });
  }
  for (const name of foldersOf(names, from, source.path)) {
    const language = spokenOf(name);
    const folder = languages.get(name)!;
    for (const set of sets ?? SETS) {
      const rows = await recordedRows(folder, set, sets !== undefined, reading);
      const known = new Set<string>();
      for (const { id, audio, text, samples, gender, where } of rows) {
        if (onePerSentence && known.has(id)) continue;
        if (isFull(language, set)) break;
        const written = translations.filter(({ texts }) => texts.has(id));
        if (written.length === 0 && to.length > 0) {
          skip(where, 'no translation', `sentence ${id} in ${to.join(' or ')}`);
          continue;
        }
        known.add(id);
        const others = written.filter(({ code }) => code !== language);
        yield {
          audio,
          language,
          set,
          key: id,
          text,
          translations: Object.fromEntries(others.map(({ code, texts }) => [code, texts.get(id)!])),
          duration: samples / RATE,
          ...(gender !== '' && { other: { gender: gender.toLowerCase() } }),
        };
      }
    }
  }
}

interface FleursRow {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly samples: number;
  readonly gender: string;
  readonly where: string;
}

/** Texts of all sets by sentence. */
async function textsOf(
  { tables, parquet }: { tables?: Source; parquet?: Source },
  reading: Reading,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const set of SETS) {
    if (tables) {
      if (!tables.names.includes(`${set}.tsv`)) continue;
      for await (const { id, text } of tableRows(join(tables.path, `${set}.tsv`), reading))
        texts.set(id, text);
    } else if (parquet) {
      for await (const { id, text } of parquetRows(parquet, set, reading)) texts.set(id, text);
    }
  }
  return texts;
}

/**
 * The rows of a set whose recordings are there, in the order of the archive that holds them.
 * @param isNamed whether the user named the set, so that it must be there
 */
async function recordedRows(
  { tables, parquet }: { tables?: Source; parquet?: Source },
  set: string,
  isNamed: boolean,
  reading: Reading,
): Promise<(FleursRow & { readonly audio: string })[]> {
  const rows: (FleursRow & { readonly audio: string })[] = [];
  const audio = tables && (await folderIn(tables.path, 'audio'));
  const archive = audio && [`${set}.tar.gz`, `${set}.tar`].find((name) => audio.names.includes(name));
  const unpacked = audio && (await folderIn(audio.path, set));
  if (!tables || (!archive && !unpacked && parquet)) {
    for await (const row of parquetRows(parquet!, set, reading)) rows.push(row);
    if (rows.length === 0 && isNamed) {
      throw new UserError(
        `${parquet!.path}: found no tables of "${set}"; expected ${hubSet(set)}-00000-of-….parquet`,
      );
    }
    return rows;
  }
  const table = join(tables.path, `${set}.tsv`);
  if (!tables.names.includes(`${set}.tsv`) && !isNamed) return [];
  if (!archive && !unpacked) {
    throw new UserError(
      `${join(tables.path, 'audio')}: found no recordings of "${set}"; expected a folder ${set} or ${set}.tar.gz`,
    );
  }
  const place = unpacked ? unpacked.path : join(audio!.path, archive!);
  /** Names of recordings: what to write for them, and where they stand. */
  const recordings = new Map<string, { reference: string; order: number }>();
  if (unpacked)
    for (const name of unpacked.names) recordings.set(name, { reference: join(place, name), order: 0 });
  else {
    for await (const { name } of archiveMembers(place, reading)) {
      reading.seen();
      recordings.set(basename(name), { reference: memberReference(place, name), order: recordings.size });
    }
  }
  for await (const row of tableRows(table, reading)) {
    const recording = recordings.get(row.name);
    if (recording) rows.push({ ...row, audio: recording.reference });
    else reading.skip(row.where, 'no recording', `"${row.name}" in ${place}`);
  }
  const orderOf = ({ name }: FleursRow): number => recordings.get(name)!.order;
  return rows.sort((a, b) => orderOf(a) - orderOf(b));
}

async function* tableRows(file: string, { skip }: Pick<Reading, 'skip'>): AsyncGenerator<FleursRow> {
  for await (const { text: line, number } of textLines(file, "FLEURS's table of a set")) {
    const cells = line.split('\t');
    const [id = '', name = '', text = '', , , samples = '', gender = ''] = cells;
    const where = `${file}:${number}`;
    if (cells.length === 7 && /^\d+$/.test(id) && name && text.trim() && /^\d+$/.test(samples)) {
      yield { id, name, text, samples: Number(samples), gender, where };
    } else if (line.trim() !== '') {
      skip(where, 'another form', 'expected sentence id, file name, text, and samples in 7 columns');
    }
  }
}

const hubSet = (set: string): string => (set === 'dev' ? 'validation' : set);

async function* parquetRows(
  { path, names }: Source,
  set: string,
  { skip }: Pick<Reading, 'skip'>,
): AsyncGenerator<FleursRow & { readonly audio: string }> {
  const files = names.filter((name) => name.endsWith('.parquet') && setOf(name.split('-')[0]!) === set);
  for (const file of files.map((name) => join(path, name))) {
    const table = await parquetTable(file);
    const columns = ['id', 'num_samples', 'raw_transcription', 'gender'];
    checkColumns(file, table.columns, columns);
    const genders = table.classes.get('gender') ?? ['male', 'female', 'other'];
    for await (const { row, values } of table.rows(columns)) {
      const [id, samples, text, gender] = columns.map((name) => textOf(values[name]) ?? '') as [
        string,
        string,
        string,
        string,
      ];
      const where = `${file}, row ${row}`;
      if (!/^\d+$/.test(id) || !text.trim() || !/^\d+$/.test(samples)) {
        skip(where, 'another form', 'expected id, num_samples and raw_transcription');
      } else {
        const audio = cellReference(file, row);
        yield {
          id,
          name: '',
          text,
          samples: Number(samples),
          gender: genders[Number(gender)] ?? gender,
          where,
          audio,
        };
      }
    }
  }
}
