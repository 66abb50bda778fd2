/** The one place that imports onnxruntime: its telemetry is off before it is loaded. */
import './telemetry.ts';

export { default } from 'onnxruntime-node';
