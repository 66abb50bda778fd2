/** Languages by the names that people and other programs give them. */
import { expect, test } from 'vitest';
import { languageProfile, namedLanguage, spokenCode } from './profile.ts';

/** `TO_LANGUAGE_CODE` of transformers 4.57.6, which is OpenAI's; `_` for a space. */
const TO_LANGUAGE_CODE = (
  'english:en chinese:zh german:de spanish:es russian:ru korean:ko french:fr japanese:ja portuguese:pt ' +
  'turkish:tr polish:pl catalan:ca dutch:nl arabic:ar swedish:sv italian:it indonesian:id hindi:hi ' +
  'finnish:fi vietnamese:vi hebrew:he ukrainian:uk greek:el malay:ms czech:cs romanian:ro danish:da ' +
  'hungarian:hu tamil:ta norwegian:no thai:th urdu:ur croatian:hr bulgarian:bg lithuanian:lt latin:la ' +
  'maori:mi malayalam:ml welsh:cy slovak:sk telugu:te persian:fa latvian:lv bengali:bn serbian:sr ' +
  'azerbaijani:az slovenian:sl kannada:kn estonian:et macedonian:mk breton:br basque:eu icelandic:is ' +
  'armenian:hy nepali:ne mongolian:mn bosnian:bs kazakh:kk albanian:sq swahili:sw galician:gl ' +
  'marathi:mr punjabi:pa sinhala:si khmer:km shona:sn yoruba:yo somali:so afrikaans:af occitan:oc ' +
  'georgian:ka belarusian:be tajik:tg sindhi:sd gujarati:gu amharic:am yiddish:yi lao:lo uzbek:uz ' +
  'faroese:fo haitian_creole:ht pashto:ps turkmen:tk nynorsk:nn maltese:mt sanskrit:sa luxembourgish:lb ' +
  'myanmar:my tibetan:bo tagalog:tl malagasy:mg assamese:as tatar:tt hawaiian:haw lingala:ln hausa:ha ' +
  'bashkir:ba javanese:jw sundanese:su cantonese:yue burmese:my valencian:ca flemish:nl haitian:ht ' +
  'letzeburgesch:lb pushto:ps panjabi:pa moldavian:ro moldovan:ro sinhalese:si castilian:es mandarin:zh'
).split(' ');

test('every name of OpenAI’s and Hugging Face’s table has its code, in any case', () => {
  expect(TO_LANGUAGE_CODE.length).toBe(112);
  for (const entry of TO_LANGUAGE_CODE) {
    const [name, code] = entry.replaceAll('_', ' ').split(':') as [string, string];
    for (const written of [
      name,
      name.toUpperCase(),
      ` ${name[0]!.toUpperCase()}${name.slice(1)} `,
      code,
      `<|${code}|>`,
    ]) {
      expect([written, languageProfile(written).base]).toEqual([written, code]);
      expect(namedLanguage(written).base).toBe(code);
    }
  }
});

test.each([
  ['pt_BR', 'pt-BR', 'pt'],
  ['pt-br', 'pt-BR', 'pt'],
  ['FR', 'fr', 'fr'],
  ['por', 'pt', 'pt'],
  ['fra', 'fr', 'fr'],
  ['fre', 'fr', 'fr'],
  ['zh-Hant', 'zh-Hant', 'zh'],
  ['zh_TW', 'zh-TW', 'zh'],
  ['cmn', 'zh', 'zh'],
  ['français', 'fr', 'fr'],
  ['日本語', 'ja', 'ja'],
  ['nob', 'no', 'no'],
  ['tgl', 'tl', 'tl'],
  ['ga', 'ga', 'ga'],
])('%s is %s', (given, code, base) => {
  expect(namedLanguage(given)).toMatchObject({ code, base });
});

test.each([
  ['frnech', 'did you mean fr (French)?'],
  ['Portugese', 'did you mean pt (Portuguese)?'],
  ['jp', 'did you mean ja (Japanese)?'],
  ['cn', 'did you mean zh (Chinese)?'],
  ['span', 'did you mean es (Spanish)?'],
  ['xx', 'found "xx"; expected a language, such as fr, pt-BR, French or <|fr|>'],
  ['', 'found ""; expected a language'],
])('%s is no language: %s', (given, message) => {
  expect(() => namedLanguage(given, '--from: ')).toThrow(message);
});

test('labels of manifests that are no language, or more than one, stay', () => {
  for (const label of ['en_robot', 'xx', 'child', '']) expect(spokenCode(label)).toBe(label);
  expect(spokenCode('French')).toBe('fr');
});
