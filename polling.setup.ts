import { pollPatiently } from './packages/tensor/src/adapter/patient-polling.js';

// Tests mostly wait for software drivers, which need the cores themselves.
pollPatiently();
