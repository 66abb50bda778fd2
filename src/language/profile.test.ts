/** Every language has a profile, and those of Whisper and the corpora the right one. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Tokens } from '../whisper/tokens.ts';
import { languageProfile, sameLanguage } from './profile.ts';

/** Unicode's data must agree with what Whisper writes: its 100 languages, and those of FLEURS and others that it has no token for. */
const SCRIPTS: Readonly<Record<string, string>> = {
  Latn:
    'af az bs br ca cs cy da de en es et eu fi fo fr gl ha haw hr ht hu id is it jw la lb ln lt lv mg mi ms mt nl nn no oc ' +
    'pl pt ro sk sl sn so sq su sv sw tk tl tr uz vi yo ast ceb eo ff ga gd ig kam kea lg luo nso ny om umb wo xh zu',
  Cyrl: 'ba be bg kk ky mk mn ru sr tg tt uk',
  Arab: 'ar ckb fa ps sd ur',
  Hebr: 'he yi',
  Grek: 'el',
  Deva: 'hi mr ne sa',
  Beng: 'as bn',
  Gujr: 'gu',
  Guru: 'pa',
  Knda: 'kn',
  Mlym: 'ml',
  Orya: 'or',
  Taml: 'ta',
  Telu: 'te',
  Sinh: 'si',
  Thai: 'th',
  Laoo: 'lo',
  Khmr: 'km',
  Mymr: 'my',
  Tibt: 'bo',
  Geor: 'ka',
  Armn: 'hy',
  Ethi: 'am',
  Kore: 'ko',
  Hans: 'zh yue',
  Jpan: 'ja',
};

test.each(Object.entries(SCRIPTS))('%s is the script of %s', (script, codes) => {
  for (const code of codes.split(' ')) expect([code, languageProfile(code).script]).toEqual([code, script]);
});

test('languages without spaces between words are counted in characters', () => {
  const codes = Object.values(SCRIPTS).join(' ').split(' ');
  const without = codes.filter((code) => !languageProfile(code).spaces);
  expect(without.sort()).toEqual(['bo', 'ja', 'km', 'lo', 'my', 'th', 'yue', 'zh']);
  expect(without.map((code) => languageProfile(code).bleuTokenizer)).toEqual([
    'char',
    'ja-mecab',
    'char',
    'char',
    'char',
    'char',
    'zh',
    'zh',
  ]);
  expect(languageProfile('de').bleuTokenizer).toBe('13a');
});

test('codes are Whisper’s, whatever they were written like', () => {
  const code = (given: string) => languageProfile(given).code;
  expect(
    ['deu', 'DE', 'cmn', 'fil', 'jv', 'jw', 'nb', 'iw', 'pt_br', 'zh-hant', 'xx', '?'].map(code),
  ).toEqual(['de', 'de', 'zh', 'tl', 'jw', 'jw', 'no', 'he', 'pt-BR', 'zh-Hant', 'xx', '?']);
  expect(languageProfile('zh-Hant').base).toBe('zh');
});

test('only Chinese references change: Simplified unless Traditional is asked for', () => {
  const text = '電車で東京へ行く';
  expect(languageProfile('ja').reference(text)).toBe(text);
  for (const code of ['zh', 'zh-Hans', 'zh-CN']) expect(languageProfile(code).reference('電車')).toBe('电车');
  for (const code of ['zh-Hant', 'zh-TW']) expect(languageProfile(code).reference('电车')).toBe('電車');
});

test('a language without a row of its own is written as its script', () => {
  expect(languageProfile('dz')).toMatchObject({ script: 'Tibt', spaces: false, bleuTokenizer: 'char' });
  expect(languageProfile('xx')).toMatchObject({ script: undefined, spaces: true, bleuTokenizer: '13a' });
});

test('transcripts pass Whisper’s normalisers', () => {
  expect(languageProfile('en').transcript("It's twenty-five.")).toBe('it is 25');
  expect(languageProfile('zh').transcript('電車。', { splitLetters: true })).toBe('电 车 ');
  expect(languageProfile('ja').transcript('電車。')).toBe('電車 ');
});

test('which texts serve for which language', () => {
  const pairs: [string, string, boolean][] = [
    ['pt', 'pt-BR', true],
    ['pt-BR', 'pt-PT', false],
    ['zh-Hans', 'zh-Hant', true],
    ['zh', 'yue', false],
    ['no', 'nb', true],
    ['no', 'nn', false],
    ['', 'zh', false],
  ];
  for (const [a, b, same] of pairs) expect([a, b, sameLanguage(a, b)]).toEqual([a, b, same]);
});

test('the 102 languages of FLEURS have the codes that Whisper knows them by, where it does', () => {
  const folders =
    'af_za am_et ar_eg as_in ast_es az_az be_by bg_bg bn_in bs_ba ca_es ceb_ph ckb_iq cmn_hans_cn cs_cz cy_gb da_dk de_de ' +
    'el_gr en_us es_419 et_ee fa_ir ff_sn fi_fi fil_ph fr_fr ga_ie gl_es gu_in ha_ng he_il hi_in hr_hr hu_hu hy_am id_id ' +
    'ig_ng is_is it_it ja_jp jv_id ka_ge kam_ke kea_cv kk_kz km_kh kn_in ko_kr ky_kg lb_lu lg_ug ln_cd lo_la lt_lt luo_ke ' +
    'lv_lv mi_nz mk_mk ml_in mn_mn mr_in ms_my mt_mt my_mm nb_no ne_np nl_nl nso_za ny_mw oc_fr om_et or_in pa_in pl_pl ' +
    'ps_af pt_br ro_ro ru_ru sd_in sk_sk sl_si sn_zw so_so sr_rs sv_se sw_ke ta_in te_in tg_tj th_th tr_tr uk_ua umb_ao ' +
    'ur_pk uz_uz vi_vn wo_sn xh_za yo_ng yue_hant_hk zu_za';
  const codes = folders.split(' ').map((folder) => languageProfile(folder).base);
  expect(new Set(codes).size).toBe(102);
  const { languages } = new Tokens(
    'tokenizer.json',
    JSON.parse(
      readFileSync(new URL('../../models/whisper-base-int8/tokenizer.json', import.meta.url), 'utf8'),
    ),
  );
  const unknown = codes.filter((code) => !languages.has(code));
  expect(unknown.join(' ')).toBe('ast ceb ckb ff ga ig kam kea ky lg luo nso ny om or umb wo xh yue zu');
  // CoVoST 2's codes.
  const covost = 'ar ca cy de et fa id ja lv mn sl sv-SE ta tr zh-CN es fr it nl pt ru'.split(' ');
  for (const code of covost) expect([code, languages.has(languageProfile(code).base)]).toEqual([code, true]);
});
