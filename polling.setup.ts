import { pollPatiently } from './packages/tensor/src/adapter/patient-polling.js';

// Tests wait for software drivers most of the time, which need the cores themselves.
pollPatiently();
