// Scores translations as sacreBLEU does, and whether one system is better than another by more than chance.
import { score } from 'whisper-transfer';

const references = ['你好，世界。', '我们明天坐火车去北京。', '她喜欢在雨天看书。', '请打开窗户。'];
const hypotheses = ['你好，世界。', '我们明天乘火车去北京。', '她喜欢下雨时看书。', '请打开窗户。'];
const baseline = ['世界你好。', '明天火车北京。', '她看书。', '请打开门。'];

const { bleu, chrf } = await score({ hypotheses, references, baseline, to: 'zh', metrics: ['bleu', 'chrf'] });
console.log(
  `BLEU ${bleu?.score.toFixed(1)} (${bleu?.interval.low.toFixed(1)} to ${bleu?.interval.high.toFixed(1)})`,
);
console.log(
  `chrF ${chrf?.score.toFixed(1)}, p = ${chrf?.comparison?.pValue.toFixed(3)} against the baseline`,
);
