/** Languages of Whisper that are close to some that it has no token for: of the same branch of a family. */

/** The closest first. Languages of FLEURS, CoVoST, Common Voice and Tatoeba; others have no row. */
const RELATED: Readonly<Record<string, readonly string[]>> = {
  an: ['es', 'ca'], // Aragonese: West Romance
  ast: ['es', 'gl', 'pt'], // Asturian: West Iberian
  ceb: ['tl'], // Cebuano: Central Philippine
  ckb: ['fa', 'ps'], // Sorani: Iranian
  cv: ['tt', 'ba'], // Chuvash: Turkic
  dv: ['si'], // Dhivehi: Insular Indo-Aryan
  eo: ['it', 'es'], // Esperanto: constructed, mostly of Romance words
  ga: ['cy', 'br'], // Irish: Celtic
  gd: ['cy', 'br'], // Scottish Gaelic: Celtic
  kea: ['pt'], // Kabuverdianu: a creole of Portuguese
  ku: ['fa', 'ps'], // Kurmanji: Iranian
  ky: ['kk', 'tt', 'uz'], // Kyrgyz: Turkic
  lg: ['sn', 'sw'], // Ganda: Bantu
  ny: ['sn', 'sw'], // Chewa: Bantu
  om: ['so'], // Oromo: Lowland East Cushitic
  or: ['bn', 'as'], // Odia: Eastern Indo-Aryan
  rw: ['sn', 'sw'], // Kinyarwanda: Bantu
  ug: ['uz', 'kk'], // Uyghur: Karluk Turkic
  xh: ['sn'], // Xhosa: Southern Bantu
  zu: ['sn'], // Zulu: Southern Bantu
};

export const relatedLanguages = (code: string): readonly string[] => RELATED[code] ?? [];
