export { type EmbeddedDriver, embeddedDriver } from './embedded-driver.js';
